import { expect, test } from "vitest";

import { Problem } from "../../src/api/problem";
import { createSubmission, type Submitting } from "../../src/new/submission";
import type { Schemas } from "../../src/types";
import { readyWith } from "./ready";

const HOUR = 3_600_000;

/** The service, whose uploads end as the test says: with nothing, or with what is thrown. */
function play(...uploads: readonly (Problem | null | "endless")[]) {
  const told: string[] = [];
  let made = 0;
  let uploaded = 0;
  const submission = createSubmission({
    api: {
      create() {
        made += 1;
        told.push(`create ${made}`);
        const upload = { url: "", fields: {}, expires_at: new Date(Date.now() + HOUR).toISOString() };
        return Promise.resolve({ schema_version: "1.0", id: `job ${made}`, status: "waiting", upload });
      },
      remove(id) {
        told.push(`remove ${id}`);
        return Promise.resolve();
      },
    },
    upload(_form: Schemas["CreatedJob"]["upload"], file, onProgress, signal) {
      const end = uploads[uploaded];
      uploaded += 1;
      told.push(`upload ${file.name}`);
      onProgress(2, 4);
      if (end === "endless") {
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        });
      }
      return end instanceof Problem ? Promise.reject(end) : Promise.resolve();
    },
    done: (id) => told.push(`done ${id}`),
  });
  const states: Submitting["kind"][] = [];
  submission.state.subscribe(({ kind }) => states.push(kind));
  return { submission, told, states };
}

const OFFLINE = new Problem("offline", "There is no network.");

test("a job is made, and then its photo uploaded", async () => {
  const { submission, told, states } = play(null);
  await submission.start(readyWith());
  expect(told).toEqual(["create 1", "upload cup.jpg", "done job 1"]);
  expect(states).toEqual(["idle", "asking", "uploading", "uploading", "idle"]);
});

test("an upload that broke off goes on with the same job", async () => {
  const { submission, told } = play(OFFLINE, null);
  const ready = readyWith();
  await submission.start(ready);
  expect(submission.state.get()).toEqual({ kind: "stopped", problem: OFFLINE });
  await submission.start(ready);
  expect(told).toEqual(["create 1", "upload cup.jpg", "upload cup.jpg", "done job 1"]);
});

test("where the boxes have changed since, the job that waits is removed and another made", async () => {
  const { submission, told } = play(OFFLINE, null);
  const ready = readyWith();
  await submission.start(ready);
  await submission.start({ ...ready, boxes: [...ready.boxes, ...ready.boxes] });
  expect(told).toEqual(["create 1", "upload cup.jpg", "remove job 1", "create 2", "upload cup.jpg", "done job 2"]);
});

test("a photo that is refused needs another job", async () => {
  const { submission, told } = play(new Problem("upload_expired", "Its time is over.", {}, 403), null);
  const ready = readyWith();
  await submission.start(ready);
  await submission.start(ready);
  expect(told).toEqual(["create 1", "upload cup.jpg", "remove job 1", "create 2", "upload cup.jpg", "done job 2"]);
});

test("cancelling breaks the upload off, and removes the job", async () => {
  const { submission, told } = play("endless");
  const started = submission.start(readyWith());
  await new Promise((resolve) => setTimeout(resolve, 0));
  submission.cancel();
  await started;
  expect(submission.state.get()).toEqual({ kind: "idle" });
  expect(told).toEqual(["create 1", "upload cup.jpg", "remove job 1"]);
});

test("giving up after a failure removes the job too", async () => {
  const { submission, told } = play(OFFLINE);
  await submission.start(readyWith());
  submission.cancel();
  expect(told.at(-1)).toBe("remove job 1");
  expect(submission.state.get()).toEqual({ kind: "idle" });
});
