import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { agoOf, failureOf, hasEnded, lookOf, spanOf, type Status } from "../../src/job/words";

const STATUSES: readonly Status[] = [
  "waiting",
  "uploaded",
  "queued",
  "running",
  "succeeded",
  "partial",
  "failed",
  "cancelled",
  "lost",
];

test("every status has words and an icon of its own kind, so that colour is never all there is", () => {
  expect(new Set(STATUSES.map((status) => lookOf(status).text)).size).toBe(STATUSES.length);
});

test("five statuses are ends", () => {
  expect(STATUSES.filter(hasEnded)).toEqual(["succeeded", "partial", "failed", "cancelled", "lost"]);
});

test("every code with which the service ends a job has words", () => {
  const contract = readFileSync(new URL("../../../lambdas/jobs/openapi.yaml", import.meta.url), "utf8");
  const problem = contract.slice(contract.indexOf("    Problem:"), contract.indexOf("    ErrorBody:"));
  const codes = [...problem.matchAll(/- `([a-z0-9_]+)`:/g)].map(([, code]) => code ?? "");
  expect(codes.length).toBeGreaterThan(5);
  for (const code of codes) expect(failureOf({ code, message: "said", details: {} }).what).not.toBe("said");
});

test("a code that the page does not know speaks for itself", () => {
  const { what } = failureOf({ code: "photo_too_dark", message: "The photo is too dark.", details: {} });
  expect(what).toBe("The photo is too dark.");
});

test("what SageMaker gave as its reason is passed on", () => {
  expect(failureOf({ code: "inference_failed", message: "CUDA out of memory", details: {} }).said).toBe(
    "CUDA out of memory",
  );
});

test.each([
  [0, "0 s"],
  [59_999, "59 s"],
  [65_000, "1 min 5 s"],
  [3_840_000, "1 h 4 min"],
  [-5_000, "0 s"],
])("a span of %d ms reads %s", (milliseconds, text) => {
  expect(spanOf(milliseconds)).toBe(text);
});

test.each([
  [30, "just now"],
  [-30, "just now"],
  [119, "1 minute ago"],
  [7200, "2 hours ago"],
  [86_400, "yesterday"],
  [8 * 86_400, "last week"],
])("%d seconds ago reads %s", (seconds, text) => {
  const then = "2026-11-23T12:00:00.000Z";
  expect(agoOf(then, Date.parse(then) + seconds * 1000)).toBe(text);
});
