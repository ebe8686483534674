/** Asks for a job until it has ended: often while it moves, seldom while it waits, not at all while nobody looks. */

import { problemOf, type Problem } from "../api/problem";
import { createStore, type Store } from "../store";
import type { Schemas } from "../types";
import { hasEnded } from "./words";

type Job = Schemas["Job"];

export interface Following {
  /** As it was last told of; null until then. */
  readonly job: Store<Job | null>;
  /** Why it could not be asked for, last time; null where it could. */
  readonly problem: Store<Problem | null>;
  /** Asks now, also for a job that has ended. */
  refresh(): Promise<void>;
  stop(): void;
}

/** Whether somebody looks. */
export interface Tab {
  isHidden(): boolean;
  /** Calls the listener when somebody looks again, or the network is back; returns what ends that. */
  onReturn(listener: () => void): () => void;
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

  async function ask(): Promise<void> {
    clearTimeout(timer);
    asking?.abort();
    const mine = (asking = new AbortController());
    try {
      const found = await get(mine.signal);
      if (asking !== mine) return;
      failures = 0;
      if (found.status !== job.get()?.status) since = Date.now();
      problem.set(null);
      job.set(found);
    } catch (thrown) {
      if (asking !== mine) return;
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
    refresh: ask,
    stop() {
      isStopped = true;
      forget();
      clearTimeout(timer);
      asking?.abort();
      asking = null;
    },
  };
}

function browserTab(): Tab {
  return {
    isHidden: () => document.hidden,
    onReturn(listener) {
      const seen = (): void => {
        if (!document.hidden) listener();
      };
      document.addEventListener("visibilitychange", seen);
      addEventListener("online", listener);
      return () => {
        document.removeEventListener("visibilitychange", seen);
        removeEventListener("online", listener);
      };
    },
  };
}
