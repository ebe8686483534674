/** The user's jobs, page by page, kept fresh while one of them is under way and somebody looks. Knows no view. */

import type { JobsApi } from "../api/jobs";
import { problemOf, type Problem } from "../api/problem";
import { hasEnded } from "../job/words";
import { createStore, type Store } from "../store";
import { browserTab, type Tab } from "../tab";
import type { Schemas } from "../types";
import { withFresh, withMore } from "./merge";

export interface Listing {
  /** Null until the first page has come. */
  readonly jobs: readonly Schemas["Summary"][] | null;
  /** The cursor of the next page; null where there is none. */
  readonly next: string | null;
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
export function createJobs(api: Pick<JobsApi, "list">, tab: Tab = browserTab()): Jobs {
  const listing = createStore<Listing>({ jobs: null, next: null, problem: null });
  const stopping = new AbortController();
  const { signal } = stopping;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking: Promise<void> | null = null;
  // How often something was changed here, of which an answer on its way knows nothing.
  let changes = 0;
  const set = (change: Partial<Listing>): void => listing.set({ ...listing.get(), ...change });

  async function list(cursor: string | null): Promise<Schemas["Page"]> {
    const before = changes;
    const page = await api.list(cursor, signal);
    return before === changes ? page : list(cursor);
  }
  async function ask(cursor: string | null): Promise<void> {
    try {
      const page = await list(cursor);
      const { jobs, next } = listing.get();
      if (cursor !== null) set({ jobs: withMore(jobs ?? [], page.jobs), next: page.next, problem: null });
      else {
        // Where more was shown than one page, the cursor is that of the last.
        const all = withFresh(jobs ?? [], page.jobs, page.next !== null);
        set({ jobs: all, next: all.length > page.jobs.length ? next : page.next, problem: null });
      }
    } catch (thrown) {
      if (!signal.aborted) set({ problem: problemOf(thrown) });
    }
  }
  /** One question at a time. */
  async function alone(cursor: string | null): Promise<void> {
    clearTimeout(timer);
    asking = ask(cursor);
    await asking;
    asking = null;
    const isMoving = listing.get().jobs?.some((job) => !hasEnded(job.status)) === true;
    if (isMoving && !signal.aborted && !tab.isHidden()) timer = setTimeout(() => void refresh(), FRESH_MS);
  }
  async function refresh(): Promise<void> {
    await (asking ?? alone(null));
  }
  const forget = tab.onReturn(() => void refresh());
  void refresh();
  return {
    listing,
    refresh,
    async more() {
      while (asking !== null) await asking;
      const { next } = listing.get();
      if (next !== null && !signal.aborted) await alone(next);
    },
    rename(id, label) {
      changes += 1;
      set({ jobs: listing.get().jobs?.map((job) => (job.id === id ? { ...job, label } : job)) ?? null });
    },
    drop(id) {
      changes += 1;
      set({ jobs: listing.get().jobs?.filter((job) => job.id !== id) ?? null });
    },
    stop() {
      stopping.abort();
      clearTimeout(timer);
      forget();
    },
  };
}
