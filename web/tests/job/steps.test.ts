import { expect, test } from "vitest";

import { hintOf, stepsOf, titleOf, workOf } from "../../src/job/steps";
import { jobWith } from "./jobs";

const SHAPING = { status: "running", stage: "reconstruct", object: 0, percent: 40 } as const;

function states(job: Parameters<typeof stepsOf>[0], elapsed = 0): string[] {
  return stepsOf(job, elapsed).map(({ text, state }) => `${state}: ${text}`);
}

test("a queued job has its photo and stands in the queue", () => {
  expect(states(jobWith(2))).toEqual([
    "done: Photo received",
    "now: In the queue",
    "later: Making 2 objects",
    "later: Done",
  ]);
});

test("a long wait is explained: a GPU is being started", () => {
  expect(states(jobWith(1), 19_999)[1]).toBe("now: In the queue");
  expect(states(jobWith(1), 20_000)[1]).toBe("now: Warming up a GPU");
  expect(hintOf(jobWith(1), 20_000)).toMatch(/about ten minutes, by estimate/);
});

test("whoever waits may leave, as a mail will come; whoever does not is told nothing", () => {
  expect(hintOf(jobWith(1), 0)).toMatch(/close this tab.*mail/);
  expect(hintOf(jobWith(1, SHAPING), 0)).toMatch(/close this tab.*mail/);
  expect(hintOf(jobWith(1, { status: "succeeded" }), 0)).toBeNull();
});

test("without its photo a job waits at the first step", () => {
  expect(states(jobWith(1, { status: "waiting" }))[0]).toBe("now: Waiting for the photo");
});

test("a running job says which object it shapes", () => {
  expect(states(jobWith(3, { ...SHAPING, object: 1 }))[2]).toBe("now: Shaping object 2 of 3");
});

test("a single object needs no number", () => {
  expect(workOf(jobWith(1, SHAPING))).toBe("Shaping the object");
  expect(workOf(jobWith(1, { status: "running", stage: null }))).toBe("Reading the photo");
});

test("the last thing is to store what belongs to no single object", () => {
  expect(workOf(jobWith(2, { ...SHAPING, stage: "store", object: null }))).toBe("Storing the results");
});

test("a job that went well is through all steps", () => {
  expect(states(jobWith(1, { status: "succeeded" })).at(-1)).toBe("done: Done");
  expect(states(jobWith(1, { status: "partial" })).at(-1)).toBe("done: Partly done");
});

test("the tab's title tells how the job is doing", () => {
  expect(titleOf(jobWith(3, SHAPING), null)).toBe("1 of 3 · cup");
  expect(titleOf(jobWith(1, SHAPING), null)).toBe("40 % · cup");
  expect(titleOf(jobWith(1), null)).toBe("Waiting · cup");
  expect(titleOf(jobWith(1, { status: "succeeded", label: null }), "Done")).toBe("Done · job");
});
