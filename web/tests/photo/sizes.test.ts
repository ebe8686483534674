import { describe, expect, it } from "vitest";
import { fileName } from "../../src/photo/open";
import { LONGER_SIDE, MOST_PIXELS, stepsTo, withinLongerSide } from "../../src/photo/sizes";

// What Safari on iOS allows a canvas.
const IOS_PIXELS = 16_777_216;

describe("a photo that is made smaller", () => {
  it("keeps its proportions", () => {
    expect(withinLongerSide({ width: 8064, height: 6048 })).toEqual({ width: 4096, height: 3072 });
    expect(withinLongerSide({ width: 3000, height: 9000 })).toEqual({ width: 1365, height: 4096 });
  });

  it("is left alone where it is small enough", () => {
    expect(withinLongerSide({ width: 4096, height: 4096 })).toEqual({ width: 4096, height: 4096 });
    expect(withinLongerSide({ width: 600, height: 400 })).toEqual({ width: 600, height: 400 });
  });

  it("goes down by halves at most, on canvases that a phone can make", () => {
    for (let width = 4097; width < 60_000; width += 997) {
      const from = { width, height: Math.floor(MOST_PIXELS / width) };
      const to = withinLongerSide(from);
      let before = from;
      for (const step of stepsTo(from, to)) {
        expect(step.width * 2).toBeGreaterThanOrEqual(before.width);
        expect(step.height * 2).toBeGreaterThanOrEqual(before.height);
        expect(step.width * step.height).toBeLessThanOrEqual(IOS_PIXELS);
        before = step;
      }
      expect(before).toEqual(to);
      expect(Math.max(to.width, to.height)).toBe(LONGER_SIDE);
    }
  });
});

describe("a file's name", () => {
  it("has the ending of what it is", () => {
    expect(fileName("IMG_1.HEIC", { type: "image/jpeg" })).toBe("IMG_1.jpg");
    expect(fileName("cup.of.tea.jpg", { type: "image/png" })).toBe("cup.of.tea.png");
  });

  it("is one that the service takes", () => {
    expect(fileName("C:\\photos\\a\u0000b.jpg", { type: "image/jpeg" })).toBe("ab.jpg");
    expect(fileName("", { type: "image/webp" })).toBe("photo.webp");
    expect(fileName("x".repeat(400), { type: "image/jpeg" })).toHaveLength(255);
  });
});
