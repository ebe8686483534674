import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { EXAMPLES } from "../../src/photo/examples";
import { kindOf } from "../../src/photo/kinds";

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

describe("the kind of a file", () => {
  it.each([
    ["\xff\xd8\xff\xe0..JFIF", "JPEG"],
    ["\x89PNG\r\n\x1a\n", "PNG"],
    ["GIF89a", "GIF"],
    ["RIFF\x10\0\0\0WEBPVP8 ", "WebP"],
    ["II*\0\x08", "TIFF"],
    ["MM\0*", "TIFF"],
    ["BM\x36\0", "BMP"],
    ["\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"],
    ["\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"],
    ["\0\0\0\x14ftypmif1\0\0\0\0mif1", "HEIC"],
  ])("is told by its first bytes: %j is %s", (text, name) => {
    expect(kindOf(bytes(text))?.name).toBe(name);
  });

  it.each(["", "hello", "%PDF-1.7", "<svg xmlns=", "RIFF\x10\0\0\0WAVEfmt ", "\0\0\0\x18ftypmp42\0\0\0\0isommp42"])(
    "is none that is read where it begins with %j",
    (text) => {
      expect(kindOf(bytes(text))).toBeNull();
    },
  );

  it("does not take the brands of what comes after them", () => {
    expect(kindOf(bytes("\0\0\0\x10ftypmp42\0\0\0\0avif"))).toBeNull();
  });
});

describe("the examples", () => {
  it.each(EXAMPLES)("$name is a small JPEG, with boxes inside it", async ({ path, boxes }) => {
    const file = await readFile(new URL(`../../public${path}`, import.meta.url));
    expect(kindOf(file)?.type).toBe("image/jpeg");
    expect(file.length).toBeLessThan(100_000);
    const { width, height } = jpegSize(file);
    for (const box of boxes) {
      expect(box.x_min).toBeGreaterThanOrEqual(0);
      expect(box.y_min).toBeGreaterThanOrEqual(0);
      expect(box.x_max).toBeLessThanOrEqual(width);
      expect(box.y_max).toBeLessThanOrEqual(height);
    }
  });
});

/** From the frame header (ITU-T T.81, B.2.2), baseline or progressive. */
function jpegSize(file: Buffer): { width: number; height: number } {
  for (let at = 2; at < file.length; at += 2 + file.readUInt16BE(at + 2)) {
    const marker = file[at + 1];
    if (marker === 0xc0 || marker === 0xc2)
      return { height: file.readUInt16BE(at + 5), width: file.readUInt16BE(at + 7) };
  }
  throw new Error("no frame header");
}
