/** A draft as it is stored, and back. Knows not where. */

import * as v from "valibot";

import { optionsSchema } from "../api/checks";
import type { Draft } from "../types";

const side = v.pipe(v.number(), v.integer(), v.minValue(1));

// Another version of this page may have stored it.
const recordSchema = v.object({
  photo: v.nullable(
    v.object({
      file: v.instance(File),
      width: side,
      height: side,
      original: v.exactOptional(v.object({ width: side, height: side, bytes: v.number() })),
    }),
  ),
  boxes: v.array(
    v.object({
      id: v.number(),
      x_min: v.number(),
      y_min: v.number(),
      x_max: v.number(),
      y_max: v.number(),
      label: v.string(),
    }),
  ),
  options: optionsSchema,
});

export type DraftRecord = v.InferOutput<typeof recordSchema>;

/** What is stored: all but the photo's address, which ends with the page. */
export function recordOf(draft: Draft): DraftRecord {
  return v.parse(recordSchema, draft);
}

/** The draft, with a new address of its photo; null where the record is none. */
export function draftOf(record: unknown): Draft | null {
  const found = v.safeParse(recordSchema, record);
  if (!found.success) return null;
  const { photo, ...rest } = found.output;
  return { ...rest, photo: photo && { ...photo, url: URL.createObjectURL(photo.file) } };
}
