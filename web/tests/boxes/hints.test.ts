import { describe, expect, it } from "vitest";
import { hintFor, inWords } from "../../src/boxes/hints";
import { boxOf } from "./made";

const PHOTO = { width: 640, height: 480 };
const hint = (...sides: [number, number, number, number]): string | null => {
  const box = boxOf(1, ...sides);
  return hintFor(box, [box], PHOTO);
};

describe("a hint", () => {
  it("is not given about a box that looks right", () => {
    expect(hint(100, 100, 300, 300)).toBeNull();
  });

  it.each([
    ["outside", [700, 10, 800, 90], /outside the photo/],
    ["small once it is cut to the photo", [636, 10, 800, 90], /at least 8 pixels/],
    ["partly outside", [600, 10, 800, 90], /beyond the photo/],
    ["nearly the whole photo", [5, 5, 635, 475], /nearly the whole photo/],
    ["of few pixels", [10, 10, 30, 200], /few pixels/],
  ] as const)("is given about a box that is %s", (_, sides, words) => {
    expect(hint(...(sides as unknown as [number, number, number, number]))).toMatch(words);
  });

  it("names the box that is the same", () => {
    const boxes = [boxOf(4, 0, 0, 90, 90), boxOf(9, 0, 0, 90, 90)];
    expect(boxes.map((box) => hintFor(box, boxes, PHOTO))).toEqual([
      "It is the same as box 2: delete one of them.",
      "It is the same as box 1: delete one of them.",
    ]);
  });
});

describe("a box in words", () => {
  it("is its number, its label, its size and its place", () => {
    expect(inWords(2, boxOf(1, 30, 40, 150, 120, "cup "))).toBe("Box 2, cup, 120 by 80 pixels at 30, 40");
    expect(inWords(1, boxOf(1, 30, 40, 150, 120))).toBe("Box 1, 120 by 80 pixels at 30, 40");
  });
});
