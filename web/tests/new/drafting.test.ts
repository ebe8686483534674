import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { createDrafting } from "../../src/new/drafting";
import { defaultOptions } from "../../src/options/options";
import type { Draft } from "../../src/types";
import { readyWith } from "./ready";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const BOX = { x_min: 1, y_min: 1, x_max: 20, y_max: 20, label: "" };

function play(found: Draft | null = null) {
  const kept: Draft[] = [];
  const keeper = {
    keep: (draft: Draft) => Promise.resolve(kept.push(draft)),
    kept: () => Promise.resolve(found),
  };
  return { drafting: createDrafting(keeper, () => 2), kept };
}

test("a draft is kept once a change has come to rest", async () => {
  const { drafting, kept } = play();
  await drafting.restore();
  drafting.begin(readyWith().photo, [BOX]);
  drafting.canvas.get()?.boxes.add({ ...BOX, x_min: 5 });
  drafting.options.set({ ...defaultOptions, quality: "high" });
  expect(kept).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(kept.map(({ boxes, options }) => [boxes.length, options.quality])).toEqual([[2, "high"]]);
});

test("what was kept is there again, and is not kept anew for that", async () => {
  const { photo, boxes } = readyWith();
  const { drafting, kept } = play({ photo, boxes, options: { ...defaultOptions, quality: "draft" } });
  await drafting.restore();
  vi.advanceTimersByTime(1000);
  expect(drafting.canvas.get()?.photo).toBe(photo);
  expect(drafting.canvas.get()?.boxes.list.get()).toEqual(boxes);
  expect(drafting.options.get().quality).toBe("draft");
  expect(kept).toEqual([]);
});

test("there may be as many boxes as the limits say", () => {
  const { drafting } = play();
  drafting.begin(readyWith().photo, [BOX, BOX]);
  expect(drafting.canvas.get()?.boxes.add(BOX)).toBeNull();
});

test("what was cleared is not there on the next visit", async () => {
  const { drafting, kept } = play();
  await drafting.restore();
  drafting.begin(readyWith().photo, [BOX]);
  drafting.clear();
  vi.advanceTimersByTime(1000);
  expect(drafting.canvas.get()).toBeNull();
  expect(kept.at(-1)).toMatchObject({ photo: null, boxes: [] });
});

test("leaving keeps at once what was about to be kept", async () => {
  const { drafting, kept } = play();
  await drafting.restore();
  drafting.begin(readyWith().photo, [BOX]);
  drafting.stop();
  expect(kept).toHaveLength(1);
});

test("a draft that comes after somebody has left is not shown, and its picture is given up", async () => {
  const given = vi.spyOn(URL, "revokeObjectURL");
  const { photo, boxes } = readyWith();
  const { drafting } = play({ photo, boxes, options: defaultOptions });
  const restored = drafting.restore();
  drafting.stop();
  await restored;
  expect(drafting.canvas.get()).toBeNull();
  expect(given).toHaveBeenCalledWith(photo.url);
});

test("leaving gives the picture up", async () => {
  const given = vi.spyOn(URL, "revokeObjectURL");
  const { photo } = readyWith();
  const { drafting } = play();
  await drafting.restore();
  drafting.begin(photo, [BOX]);
  drafting.stop();
  expect(given).toHaveBeenCalledWith(photo.url);
});
