import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Problem } from "../../src/api/problem";
import { follow, pauseOf, type Following } from "../../src/job/follow";
import type { Tab } from "../../src/tab";
import type { Schemas } from "../../src/types";
import { jobWith } from "./jobs";

type Answer = Schemas["Job"] | Problem;

let following: Following | null = null;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  following?.stop();
  vi.useRealTimers();
});

/** A service that answers so, one after the other, the last for ever; and a tab that can be hidden. */
function play(...answers: readonly Answer[]) {
  let asked = 0;
  let isHidden = false;
  let back = (): void => undefined;
  const tab: Tab = {
    isHidden: () => isHidden,
    onReturn(listener) {
      back = listener;
      return () => (back = () => undefined);
    },
  };
  const get = (): Promise<Schemas["Job"]> => {
    const answer = answers[Math.min(asked, answers.length - 1)];
    asked += 1;
    return answer instanceof Problem ? Promise.reject(answer) : Promise.resolve(answer ?? jobWith(1));
  };
  following = follow(get, tab);
  return {
    following,
    asked: () => asked,
    hide: () => (isHidden = true),
    show: () => {
      isHidden = false;
      back();
    },
  };
}

const running = jobWith(1, { status: "running", stage: "reconstruct", percent: 10 });
const ended = jobWith(1, { status: "succeeded" });

test("a running job is asked for every second, until it has ended", async () => {
  const { following: job, asked } = play(running, running, ended);
  await vi.advanceTimersByTimeAsync(0);
  expect(job.job.get()?.status).toBe("running");
  await vi.advanceTimersByTimeAsync(2000);
  expect(job.job.get()?.status).toBe("succeeded");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked()).toBe(3);
});

test("nothing is asked while the tab is hidden, and at once when it is seen again", async () => {
  const { asked, hide, show } = play(running);
  await vi.advanceTimersByTimeAsync(0);
  hide();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked()).toBe(2);
  show();
  expect(asked()).toBe(3);
});

test("where the service does not answer, the pauses grow, and the job that is known stays", async () => {
  const { following: job, asked } = play(running, new Problem("offline", "There is no network."));
  await vi.advanceTimersByTimeAsync(1000);
  expect(job.problem.get()?.code).toBe("offline");
  expect(job.job.get()).toBe(running);
  await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000);
  expect(asked()).toBe(5);
});

test("what was wrong is forgotten with the next answer", async () => {
  const { following: job } = play(new Problem("timeout", "It takes too long."), running);
  await vi.advanceTimersByTimeAsync(1000);
  expect(job.problem.get()).toBeNull();
});

test("a job that is not there is not asked for again", async () => {
  const { following: job, asked } = play(new Problem("job_not_found", "You have no such job.", {}, 404));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked()).toBe(1);
  expect(job.problem.get()?.code).toBe("job_not_found");
});

test("an ended job can be asked for again, for fresh links", async () => {
  const { following: job, asked } = play(ended);
  await vi.advanceTimersByTimeAsync(0);
  await job.refresh();
  expect(asked()).toBe(2);
});

test("who asks again hears where that does not come through", async () => {
  const { following: job } = play(ended, new Problem("offline", "There is no network."));
  await vi.advanceTimersByTimeAsync(0);
  await expect(job.refresh()).rejects.toMatchObject({ code: "offline" });
});

test("who has asked twice has the newer answer both times", async () => {
  const answers: ((job: Schemas["Job"]) => void)[] = [];
  following = follow(() => new Promise((answer) => answers.push(answer)), { isHidden: () => false, onReturn });
  const names: (string | null | undefined)[] = [];
  const both = [following.refresh(), following.refresh()].map((each) =>
    each.then(() => names.push(following?.job.get()?.label)),
  );
  for (const [place, answer] of answers.entries()) answer(jobWith(1, { label: `${place}` }));
  await Promise.all(both);
  expect(names).toEqual(["2", "2"]);
});

test("who asks as it is stopped does not wait for ever", async () => {
  following = follow(() => new Promise(() => undefined), { isHidden: () => false, onReturn });
  following.stop();
  await expect(following.refresh()).resolves.toBeUndefined();
});

function onReturn(): () => void {
  return () => undefined;
}

test("nothing is asked after it was stopped", async () => {
  const { following: job, asked } = play(running);
  job.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked()).toBe(1);
  expect(job.job.get()).toBeNull();
});

test("a job that has long waited is asked for less often; failures double the pause, up to half a minute", () => {
  expect([0, 20_000, 120_000].map((since) => pauseOf("queued", since, 0))).toEqual([1000, 3000, 5000]);
  expect(pauseOf("running", 600_000, 0)).toBe(1000);
  expect([1, 2, 3, 9].map((failures) => pauseOf("running", 0, failures))).toEqual([1000, 2000, 4000, 30_000]);
});
