/** The user's jobs, page by page, kept fresh while one of them is under way and somebody looks. Knows no view. */

import type { JobsApi } from "../api/jobs";
import { problemOf, type Problem } from "../api/problem";
import { hasEnded } from "../job/words";
import { createStore, type Store } from "../store";
import type { Schemas } from "../types";
import { withFresh, withMore } from "./merge";

export interface Listing {
  /** Null until the first page has come. */
  readonly jobs: readonly Schemas["Summary"][] | null;
  /** The cursor of the next page; null where there is none. */
  readonly next: string | null;
  readonly isAsking: boolean;
  readonly problem: Problem | null;
}

export interface Jobs {
  readonly listing: Store<Listing>;
  refresh(): Promise<void>;
  more(): Promise<void>;
  /** Shows another name. */
  rename(id: string, label: string): void;
  /** Takes out what was deleted. */
  drop(id: string): void;
  stop(): void;
}

const FRESH_MS = 3000;

/** The first page is asked for at once. */
export function createJobs(api: Pick<JobsApi, "list">): Jobs {
  const listing = createStore<Listing>({ jobs: null, next: null, isAsking: false, problem: null });
  const stopping = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const set = (change: Partial<Listing>): void => listing.set({ ...listing.get(), ...change });

  async function ask(cursor: string | null): Promise<void> {
    if (listing.get().isAsking) return;
    clearTimeout(timer);
    set({ isAsking: true });
    try {
      const page = await api.list(cursor, stopping.signal);
      const { jobs, next } = listing.get();
      if (cursor !== null) set({ jobs: withMore(jobs ?? [], page.jobs), next: page.next });
      else {
        // Where more was shown than one page, the cursor is that of the last.
        const all = withFresh(jobs ?? [], page.jobs, page.next !== null);
        set({ jobs: all, next: all.length > page.jobs.length ? next : page.next });
      }
      set({ problem: null });
    } catch (thrown) {
      if (stopping.signal.aborted) return;
      set({ problem: problemOf(thrown) });
    } finally {
      set({ isAsking: false });
    }
    plan();
  }
  function plan(): void {
    const { jobs } = listing.get();
    if (stopping.signal.aborted || document.hidden || !jobs?.some((job) => !hasEnded(job.status))) return;
    timer = setTimeout(() => void ask(null), FRESH_MS);
  }
  const seen = (): void => {
    if (!document.hidden) void ask(null);
  };
  document.addEventListener("visibilitychange", seen);
  addEventListener("online", seen);
  void ask(null);
  return {
    listing,
    refresh: () => ask(null),
    async more() {
      const { next } = listing.get();
      if (next !== null) await ask(next);
    },
    rename(id, label) {
      set({ jobs: listing.get().jobs?.map((job) => (job.id === id ? { ...job, label } : job)) ?? null });
    },
    drop(id) {
      set({ jobs: listing.get().jobs?.filter((job) => job.id !== id) ?? null });
    },
    stop() {
      stopping.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("online", seen);
    },
  };
}
