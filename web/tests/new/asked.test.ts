import { expect, test } from "vitest";

import { newJobOf } from "../../src/new/asked";
import { defaultOptions } from "../../src/options/options";
import { readyWith } from "./ready";

test("a job is asked for with boxes, options, and what the file is", () => {
  expect(newJobOf(readyWith())).toEqual({
    boxes: [{ x_min: 1, y_min: 2, x_max: 30, y_max: 40, label: "cup" }],
    options: defaultOptions,
    file: { name: "cup.jpg", type: "image/jpeg", bytes: 4 },
  });
});

test("a box without a label has none", () => {
  const boxes = [{ id: 1, x_min: 0, y_min: 0, x_max: 9, y_max: 9, label: "  " }];
  expect(newJobOf(readyWith({ boxes })).boxes).toEqual([{ x_min: 0, y_min: 0, x_max: 9, y_max: 9 }]);
});
