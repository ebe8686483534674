/** What has changed in a job since one last looked, in a line to be said. Knows no view. */

import type { Schemas } from "../types";
import { hasEnded, lookOf } from "./words";

type Job = Schemas["Job"];

/** The line; null where nothing is worth a word: percentages would never end. */
export function newsOf(before: Job | null, now: Job): string | null {
  if (before === null) return `${lookOf(now.status).text}.`;
  if (hasEnded(now.status))
    return now.status === before.status ? null : `The job has ended: ${lookOf(now.status).text}.`;
  const of = now.objects.length;
  const ready = (job: Job): number => job.objects.filter(hasMesh).length;
  if (of > 1 && ready(now) > ready(before)) return `${ready(now)} of ${of} objects are there.`;
  return now.status === before.status ? null : `${lookOf(now.status).text}.`;
}

function hasMesh({ files, index }: Schemas["Object"]): boolean {
  return files.some(({ name }) => name === `object-${index}.glb`);
}
