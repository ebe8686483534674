import { expect, test } from "vitest";

import { draftOf, recordOf } from "../../src/draft/record";
import type { Draft } from "../../src/types";

const DRAFT: Draft = {
  photo: {
    file: new File(["photo"], "a.jpg", { type: "image/jpeg" }),
    width: 40,
    height: 30,
    url: "blob:of-an-earlier-page",
    original: { width: 400, height: 300, bytes: 9000 },
  },
  boxes: [{ id: 3, x_min: 1, y_min: 2, x_max: 10, y_max: 20, label: "cup" }],
  options: { quality: "high", formats: ["glb", "stl"], normal_map: false, scene: true, seed: 7, faces: null },
};

test("a draft comes back as it was, its photo with an address of its own", async () => {
  const back = draftOf(structuredClone(recordOf({ ...DRAFT, photo: null })));
  expect(back).toEqual({ ...DRAFT, photo: null });

  const { photo } = draftOf(recordOf(DRAFT)) ?? {};
  expect(photo).toMatchObject({ width: 40, height: 30, original: DRAFT.photo?.original });
  expect(photo?.url).toMatch(/^blob:/);
  expect(photo?.url).not.toBe(DRAFT.photo?.url);
  expect(await photo?.file.text()).toBe("photo");
});

test("the photo's address is not stored", () => {
  expect(recordOf(DRAFT).photo).not.toHaveProperty("url");
});

test.each([
  undefined,
  {},
  { ...DRAFT, photo: { width: 1, height: 1 } },
  { ...DRAFT, boxes: [{ x: 1 }] },
  { ...DRAFT, options: { quality: "best" } },
])("what another version of the page has stored may be no draft", (record) => {
  expect(draftOf(record)).toBeNull();
});
