/** Asks for a job until it has ended: often while it moves, seldom while it waits, not at all while nobody looks. */

import { problemOf, type Problem } from "../api/problem";
import { createStore, type Store } from "../store";
import { browserTab, type Tab } from "../tab";
import type { Schemas } from "../types";
import { hasEnded } from "./words";

type Job = Schemas["Job"];

export interface Following {
  /** As it was last told of; null until then. */
  readonly job: Store<Job | null>;
  /** Why it could not be asked for, last time; null where it could. */
  readonly problem: Store<Problem | null>;
  /** Asks now, also for a job that has ended. Rejects where that does not come through. */
  refresh(): Promise<void>;
  stop(): void;
}

const SECOND = 1000;
const LONGEST = 30 * SECOND;
// Asked again, these would say the same.
const FINAL: ReadonlySet<string> = new Set(["job_not_found", "signed_out", "session_expired", "unauthorized"]);

/**
 * Milliseconds until a job is asked for again.
 *
 * @param status Its status.
 * @param since Milliseconds since it came to have it, as far as was seen.
 * @param failures How many times in a row it could not be asked for.
 */
export function pauseOf(status: Job["status"] | null, since: number, failures: number): number {
  if (failures > 0) return Math.min(LONGEST, SECOND * 2 ** (failures - 1));
  if (status === "running" || status === "uploaded" || since < 20 * SECOND) return SECOND;
  return since < 120 * SECOND ? 3 * SECOND : 5 * SECOND;
}

/** Follows a job. */
export function follow(get: (signal: AbortSignal) => Promise<Job>, tab: Tab = browserTab()): Following {
  const job = createStore<Job | null>(null);
  const problem = createStore<Problem | null>(null);
  let asking: AbortController | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let since = Date.now();
  let isStopped = false;
  // Whoever waits for an older question gets the answer to this one.
  let newest = Promise.resolve();

  function ask(): Promise<void> {
    return (newest = isStopped ? Promise.resolve() : askNow());
  }
  async function askNow(): Promise<void> {
    clearTimeout(timer);
    asking?.abort();
    const mine = (asking = new AbortController());
    try {
      const found = await get(mine.signal);
      if (asking !== mine) {
        await newest;
        return;
      }
      failures = 0;
      if (found.status !== job.get()?.status) since = Date.now();
      problem.set(null);
      job.set(found);
    } catch (thrown) {
      if (asking !== mine) {
        await newest;
        return;
      }
      failures += 1;
      problem.set(problemOf(thrown));
    }
    asking = null;
    plan();
  }
  function plan(): void {
    const status = job.get()?.status ?? null;
    const isOver = (status !== null && hasEnded(status)) || FINAL.has(problem.get()?.code ?? "");
    if (isStopped || isOver || tab.isHidden()) return;
    timer = setTimeout(() => void ask(), pauseOf(status, Date.now() - since, failures));
  }
  const forget = tab.onReturn(() => {
    clearTimeout(timer);
    const status = job.get()?.status;
    if (asking === null && !(status !== undefined && hasEnded(status))) void ask();
  });
  void ask();
  return {
    job,
    problem,
    async refresh() {
      await ask();
      const found = problem.get();
      if (found !== null) throw found;
    },
    stop() {
      isStopped = true;
      forget();
      clearTimeout(timer);
      asking?.abort();
      asking = null;
      newest = Promise.resolve();
    },
  };
}
