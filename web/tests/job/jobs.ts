/** Jobs as the API tells of them, for tests. */

import type { Schemas } from "../../src/types";

type Job = Schemas["Job"];

const BOX = { x_min: 10, y_min: 20, x_max: 110, y_max: 90 };

/** A queued job with this many boxes, changed as said. */
export function jobWith(objects: number, change: Partial<Job> = {}): Job {
  return {
    schema_version: "1.0",
    id: "8214074400000-0123456789abcdef",
    label: "cup",
    status: "queued",
    created_at: "2026-11-23T12:00:00.000Z",
    ended_at: null,
    stage: null,
    object: null,
    percent: 0,
    error: null,
    thumbnail_url: null,
    boxes: Array.from({ length: objects }, () => BOX),
    options: { quality: "standard", formats: ["glb"], seed: 0, normal_map: false, scene: true },
    image_url: "https://bucket.example/image",
    engine: null,
    preview: false,
    objects: Array.from({ length: objects }, (_, index) => objectWith(index, [])),
    files: [],
    ...change,
  };
}

/** An object of which these files are there. */
export function objectWith(index: number, names: readonly string[]): Schemas["Object"] {
  const files = names.map((name) => ({ name, bytes: 1000, media_type: null, url: `https://bucket.example/${name}` }));
  return { index, label: null, status: "unfinished", files, error: null };
}
