import { describe, expect, it } from "vitest";
import { leftmost, maskAt, maskRect, whiteToAlpha, type Mask } from "../../src/result/mask";

/** A mask drawn in rows of "#" and ".", whose upper left corner lies at x, y in the photo. */
function drawn(rows: readonly string[], x: number, y: number, scale = 1): Mask {
  const alpha = Uint8Array.from(rows.join(""), (pixel) => (pixel === "#" ? 255 : 0));
  const [width, height] = [rows[0]?.length ?? 0, rows.length];
  return {
    rect: { x, y, width: width / scale, height: height / scale },
    // Its size is all that is asked of it here.
    picture: { width, height } as HTMLCanvasElement,
    alpha,
    area: alpha.filter((value) => value > 0).length / scale ** 2,
    edge: { x, y },
  };
}

describe("the part of the photo that holds a mask", () => {
  it("is the box in whole pixels, a little larger", () => {
    const rect = maskRect({ x_min: 10.5, y_min: 20, x_max: 30.2, y_max: 41 }, 100, 100);
    expect(rect).toEqual({ x: 8, y: 18, width: 25, height: 25 });
  });

  it("stays within the photo, whatever the box", () => {
    for (const [x_min, x_max] of [
      [-50, 20],
      [90, 400],
      [-9, 900],
      [99.9, 100],
      [300, 400],
    ] as const) {
      const { x, width } = maskRect({ x_min, x_max, y_min: 0, y_max: 10 }, 100, 100);
      expect(x).toBeGreaterThanOrEqual(0);
      expect(width).toBeGreaterThanOrEqual(1);
      expect(x + width).toBeLessThanOrEqual(100);
    }
  });
});

describe("a black and white mask", () => {
  it("becomes white, as opaque as it was bright", () => {
    const rgba = Uint8ClampedArray.of(0, 0, 0, 255, 255, 255, 255, 255, 90, 90, 90, 255);
    expect([...whiteToAlpha(rgba)]).toEqual([0, 255, 90]);
    expect([...rgba]).toEqual([255, 255, 255, 0, 255, 255, 255, 255, 255, 255, 255, 90]);
  });

  it("has its number at its leftmost point", () => {
    expect(leftmost(drawn(["....", "...#", "..##", "...#"], 0, 0).alpha, 4)).toEqual({ x: 2, y: 2 });
    expect(leftmost(drawn(["#..", "#..", "#.."], 0, 0).alpha, 3)).toEqual({ x: 0, y: 1 });
  });
});

describe("the object at a point", () => {
  const plate = drawn(["####", "####", "####"], 10, 10);
  const cup = drawn([".#", ".#"], 11, 10);

  it("is the smallest whose mask is there", () => {
    expect(maskAt([plate, cup], 12.5, 10.5)).toBe(1);
    expect(maskAt([cup, plate], 12.5, 10.5)).toBe(0);
  });

  it("is seen through the holes of another", () => {
    expect(maskAt([plate, cup], 11.5, 10.5)).toBe(0);
  });

  it("is none beside them all", () => {
    expect(maskAt([plate, null, cup], 14, 10.5)).toBeNull();
    expect(maskAt([plate, cup], 9.9, 10.5)).toBeNull();
    expect(maskAt([], 0, 0)).toBeNull();
  });

  it("is found in masks that are held smaller than the photo", () => {
    const held = drawn(["#.", ".."], 0, 0, 0.1);
    expect(maskAt([held], 9, 9)).toBe(0);
    expect(maskAt([held], 11, 9)).toBeNull();
  });
});
