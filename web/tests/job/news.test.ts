import { expect, test } from "vitest";

import { newsOf } from "../../src/job/news";
import { jobWith, objectWith } from "./jobs";

const running = jobWith(2, { status: "running", stage: "reconstruct", percent: 10 });

test("a job's status is news when it changes, and percentages are not", () => {
  expect(newsOf(jobWith(2), running)).toBe("Running.");
  expect(newsOf(running, { ...running, percent: 20, stage: "finish" })).toBeNull();
});

test("an object that has come is left to the result to tell, which knows its name", () => {
  const objects = [objectWith(0, ["object-0.mask.png", "object-0.glb"]), objectWith(1, [])];
  expect(newsOf(running, { ...running, objects })).toBeNull();
});

test("the end is news once", () => {
  const ended = jobWith(2, { status: "partial" });
  expect(newsOf(running, ended)).toBe("The job has ended: Partly done.");
  expect(newsOf(ended, jobWith(2, { status: "partial" }))).toBeNull();
});
