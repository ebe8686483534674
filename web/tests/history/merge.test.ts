import { expect, test } from "vitest";

import { withFresh, withMore } from "../../src/history/merge";
import type { Schemas } from "../../src/types";
import { summaries as jobs } from "./summaries";

const ids = (list: readonly Schemas["Summary"][]): string => list.map(({ id }) => id).join("");

test("a fresh page comes before what was shown beyond it", () => {
  expect(ids(withFresh(jobs("b", "c", "d", "e"), jobs("a", "b", "c"), true))).toBe("abcde");
});

test("a job that a fresh page does not hold any more is gone", () => {
  expect(ids(withFresh(jobs("a", "b", "c", "d"), jobs("a", "c"), true))).toBe("acd");
});

test("where nothing follows the fresh page, it is all there is", () => {
  expect(ids(withFresh(jobs("a", "b", "c"), jobs("a"), false))).toBe("a");
  expect(ids(withFresh(jobs("a"), [], false))).toBe("");
});

test("an empty page that others follow says nothing of the jobs beyond", () => {
  expect(ids(withFresh(jobs("a", "b"), [], true))).toBe("ab");
});

test("the next page comes at the end, and no job twice", () => {
  expect(ids(withMore(jobs("a", "b"), jobs("b", "c")))).toBe("abc");
});

test("a job is shown as the fresh page has it", () => {
  const [stale] = jobs("a");
  const [fresh] = jobs("a");
  expect(withFresh(stale ? [stale] : [], fresh ? [fresh] : [], true)[0]).toBe(fresh);
});
