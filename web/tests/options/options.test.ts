import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import {
  defaultOptions,
  FORMATS,
  NUMBERS,
  QUALITIES,
  readNumber,
  TEXTURE_FORMATS,
  withFormat,
  withNumber,
  type NumberRule,
} from "../../src/options/options";

const rule = (name: NumberRule["name"]): NumberRule => {
  const found = NUMBERS.find((each) => each.name === name);
  if (!found) throw new Error(name);
  return found;
};

describe("the options", () => {
  it("begin as the service has them, and offer all there are", async () => {
    const openapi = await readFile(new URL("../../../lambdas/jobs/openapi.yaml", import.meta.url), "utf8");
    const text = openapi.slice(openapi.indexOf("\n    Options:"), openapi.indexOf("\n    NewJob:"));
    expect(text).toContain(`quality: {enum: [${QUALITIES.map((each) => each.quality).join(", ")}]`);
    expect(text).toContain(`default: ${defaultOptions.quality}}`);
    expect(text).toContain(`default: [${defaultOptions.formats.join(", ")}]`);
    expect(text).toContain(`default: ${defaultOptions.seed}}`);
    for (const name of ["scene", "normal_map"] as const) {
      expect(text).toContain(`${name}: {type: boolean, default: ${String(defaultOptions[name])}}`);
    }
    expect(text).toContain(`texture_format: {enum: [${TEXTURE_FORMATS.map((each) => each.format).join(", ")}, null]}`);
    const formats = /items: \{enum: \[(.*)\]\}/.exec(text)?.[1]?.split(", ");
    expect(FORMATS.map((each) => each.format).sort()).toEqual(formats?.sort());
    for (const { name, least, most } of NUMBERS) {
      expect(text).toMatch(new RegExp(`${name}: .*minimum: ${least}, maximum: ${most}`));
    }
  });
});

describe("the formats", () => {
  it("always hold GLB, in the order in which they are offered", () => {
    const all = withFormat(withFormat(defaultOptions, "stl", true), "usdz", true);
    expect(all.formats).toEqual(["glb", "usdz", "stl"]);
    expect(withFormat(withFormat(all, "usdz", false), "glb", false).formats).toEqual(["glb", "stl"]);
  });
});

describe("a number", () => {
  it("is read where it can be", () => {
    expect(readNumber(" 5000 ", rule("faces"))).toBe(5000);
    expect(readNumber("", rule("faces"))).toBeNull();
  });

  it.each(["x", "1.5", "999", "1000001", "-4"])("is refused in words where it is %s", (text) => {
    expect(readNumber(text, rule("faces"))).toBe("Triangles: a whole number from 1,000 to 1,000,000.");
  });

  it("that is taken out again is what is usual", () => {
    expect(withNumber({ ...defaultOptions, seed: 7 }, rule("seed"), null).seed).toBe(0);
    expect(withNumber({ ...defaultOptions, faces: 5000 }, rule("faces"), null).faces).toBeNull();
  });
});
