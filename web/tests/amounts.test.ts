import { describe, expect, it } from "vitest";
import { countText, sizeText } from "../src/amounts";

describe("sizes", () => {
  it.each([
    [0, "0 bytes"],
    [1, "1 byte"],
    [999, "999 bytes"],
    [1000, "1.0 kB"],
    [9949, "9.9 kB"],
    [9960, "10 kB"],
    [455_172, "455 kB"],
    [999_499, "999 kB"],
    [999_600, "1.0 MB"],
    [1_343_616, "1.3 MB"],
    [12_000_000, "12 MB"],
    [2_500_000_000, "2.5 GB"],
  ])("%d reads as %s", (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });
});

it("counts in words", () => {
  expect(countText(1, "face", "faces")).toBe("1 face");
  expect(countText(50_000, "face", "faces")).toBe("50,000 faces");
});
