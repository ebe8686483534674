/** Jobs as the list tells of them, for tests. */

import type { Schemas } from "../../src/types";

/** Jobs that have ended; the newest first, as their ids are. */
export function summaries(...ids: readonly string[]): Schemas["Summary"][] {
  return ids.map((id) => ({
    id,
    label: null,
    status: "succeeded",
    created_at: "2026-11-23T12:00:00.000Z",
    ended_at: null,
    stage: null,
    object: null,
    percent: 100,
    error: null,
    thumbnail_url: null,
  }));
}
