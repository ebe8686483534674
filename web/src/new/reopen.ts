/** Takes a job's photo, boxes and options up again, to be changed. Knows no view. */

import { bytesAt } from "../api/bytes";
import { Problem } from "../api/problem";
import { defaultOptions } from "../options/options";
import { openPhoto } from "../photo/open";
import type { Box, Options, Photo, Schemas } from "../types";

export interface Reopened {
  readonly photo: Photo;
  readonly boxes: readonly Omit<Box, "id">[];
  readonly options: Options;
}

/**
 * Fetches what a job was made of.
 *
 * Throws the Problem `photo_gone` where the photo is no longer kept or its link has run out, `offline` where it cannot
 * be fetched, or what `openPhoto` throws where the browser cannot show it.
 */
export async function reopen(
  job: Schemas["Job"],
  limits: { maxBytes: number; types: readonly string[] },
): Promise<Reopened> {
  const gone = new Problem(
    "photo_gone",
    "The photo of this job cannot be had any more: choose it again from your own files.",
  );
  if (job.image_url === null) throw gone;
  const found = await bytesAt(job.image_url);
  if (found === null) throw gone;
  const file = new File([found], job.label ?? "photo", { type: found.type });
  return {
    photo: await openPhoto(file, limits),
    boxes: job.boxes.map(({ label = "", ...sides }) => ({ ...sides, label })),
    options: { ...defaultOptions, ...job.options },
  };
}
