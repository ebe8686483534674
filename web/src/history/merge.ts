/** Puts a fresh first page of jobs over those that are shown. Knows no view and no API. */

import type { Schemas } from "../types";

type Summary = Schemas["Summary"];

/**
 * The jobs to show: those of the fresh page, and after them what was shown beyond it.
 *
 * Ids rise as jobs get older. What lay within the fresh page and is not in it any more was deleted, in another tab, say.
 *
 * @param page The jobs of the newest page.
 * @param hasMore Whether jobs follow that page; where none do, none are shown beyond.
 */
export function withFresh(shown: readonly Summary[], page: readonly Summary[], hasMore: boolean): readonly Summary[] {
  const last = page.at(-1);
  if (!hasMore) return page;
  return last === undefined ? shown : [...page, ...shown.filter((job) => job.id > last.id)];
}

/** The jobs with those of the next page at their end; none comes twice. */
export function withMore(shown: readonly Summary[], page: readonly Summary[]): readonly Summary[] {
  const known = new Set(shown.map((job) => job.id));
  return [...shown, ...page.filter((job) => !known.has(job.id))];
}
