import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Problem } from "../../src/api/problem";
import { createJobs, type Jobs } from "../../src/history/jobs";
import type { Schemas } from "../../src/types";
import { summaries } from "./summaries";

type Page = Schemas["Page"];

let jobs: Jobs | null = null;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  jobs?.stop();
  vi.useRealTimers();
});

/** A list whose questions wait until the test answers them; and a tab that can be hidden. */
function play() {
  const asked: (string | null)[] = [];
  const waiting: ((answer: Page | Problem) => void)[] = [];
  let isHidden = false;
  let back = (): void => undefined;
  const list = (cursor: string | null): Promise<Page> => {
    asked.push(cursor);
    return new Promise((resolve, reject) =>
      waiting.push((answer) => {
        if (answer instanceof Problem) reject(answer);
        else resolve(answer);
      }),
    );
  };
  const tab = { isHidden: () => isHidden, onReturn: (listener: () => void) => ((back = listener), () => undefined) };
  const made = (jobs = createJobs({ list }, tab));
  return {
    asked,
    jobs: made,
    ids: () => made.listing.get().jobs?.map(({ id }) => id),
    answer: async (answer: Page | Problem): Promise<void> => {
      waiting.shift()?.(answer);
      await vi.advanceTimersByTimeAsync(0);
    },
    hide: () => (isHidden = true),
    show: (): void => {
      isHidden = false;
      back();
    },
  };
}

function page(next: string | null, ...found: readonly Schemas["Summary"][]): Page {
  return { schema_version: "1.0", jobs: [...found], next };
}

const [A, B, C] = summaries("a", "b", "c") as [Schemas["Summary"], Schemas["Summary"], Schemas["Summary"]];
const MOVING = { ...A, status: "running" } as const;

test("the list is asked for again while a job is under way, and no more once all have ended", async () => {
  const { asked, answer } = play();
  await answer(page(null, MOVING));
  await vi.advanceTimersByTimeAsync(3000);
  await answer(page(null, A));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toEqual([null, null]);
});

test("nothing is asked while the tab is hidden, and at once when it is seen again", async () => {
  const { asked, answer, hide, show } = play();
  hide();
  await answer(page(null, MOVING));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(1);
  show();
  expect(asked).toHaveLength(2);
});

test("the next page comes also where the first is just being asked for anew", async () => {
  const { asked, answer, ids, jobs: listed } = play();
  await answer(page("after b", A, B));
  void listed.refresh();
  const more = listed.more();
  await answer(page("after b", A, B));
  await answer(page(null, C));
  await more;
  expect(asked).toEqual([null, null, "after b"]);
  expect(ids()).toEqual(["a", "b", "c"]);
});

test("a deleted job does not come back with an answer from before", async () => {
  const { answer, ids, jobs: listed } = play();
  await answer(page(null, A, B));
  void listed.refresh();
  listed.drop("a");
  await answer(page(null, A, B));
  expect(ids()).toEqual(["b"]);
  await answer(page(null, B));
  expect(ids()).toEqual(["b"]);
});

test("a new name is not taken back by an answer from before", async () => {
  const { answer, jobs: listed } = play();
  await answer(page(null, A));
  void listed.refresh();
  listed.rename("a", "my cup");
  await answer(page(null, A));
  expect(listed.listing.get().jobs?.[0]?.label).toBe("my cup");
});

test("where the service does not answer, what is known stays, and it is asked again", async () => {
  const { asked, answer, ids, jobs: listed } = play();
  await answer(page(null, MOVING));
  await vi.advanceTimersByTimeAsync(3000);
  await answer(new Problem("offline", "There is no network."));
  expect(listed.listing.get().problem?.code).toBe("offline");
  expect(ids()).toEqual(["a"]);
  await vi.advanceTimersByTimeAsync(3000);
  await answer(page(null, A));
  expect(listed.listing.get().problem).toBeNull();
  expect(asked).toHaveLength(3);
});
