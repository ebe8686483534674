/** What has changed in a job since one last looked, in a line to be said. Knows no view. */

import type { Schemas } from "../types";
import { hasEnded, lookOf } from "./words";

type Job = Schemas["Job"];

/** The line; null where nothing is worth a word: percentages would never end, and the result tells of its objects by itself. */
export function newsOf(before: Job | null, now: Job): string | null {
  if (before === null) return `${lookOf(now.status).text}.`;
  if (hasEnded(now.status))
    return now.status === before.status ? null : `The job has ended: ${lookOf(now.status).text}.`;
  return now.status === before.status ? null : `${lookOf(now.status).text}.`;
}
