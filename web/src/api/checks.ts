/** What each answer of the API has to look like before it is used. Asks for nothing itself. */

import * as v from "valibot";

import type { Schemas } from "../types";

// Objects may hold more than is named: within 1.x fields are added. What is not named is left out.

const version = v.custom<Schemas["Version"]>((given) => typeof given === "string" && /^1\.\d+$/.test(given));
const id = v.string();
const time = v.string();
const details = v.custom<Schemas["Problem"]["details"]>(
  (given) => typeof given === "object" && given !== null && !Array.isArray(given),
);
const status = v.picklist([
  "waiting",
  "uploaded",
  "queued",
  "running",
  "succeeded",
  "partial",
  "failed",
  "cancelled",
  "lost",
]);
const stage = v.nullable(v.picklist(["decode", "segment", "reconstruct", "finish", "store", "done", "failed"]));
const problem = v.object({ code: v.string(), message: v.string(), details });
const quota = v.object({ used: v.number(), most: v.number() });
const file = v.object({
  name: v.string(),
  bytes: v.number(),
  media_type: v.nullable(v.string()),
  url: v.string(),
});
const box = v.object({
  x_min: v.number(),
  y_min: v.number(),
  x_max: v.number(),
  y_max: v.number(),
  label: v.exactOptional(v.string()),
});

export const optionsSchema = v.object({
  quality: v.optional(v.picklist(["draft", "standard", "high"]), "standard"),
  seed: v.optional(v.number(), 0),
  formats: v.optional(v.array(v.picklist(["glb", "obj", "stl", "ply", "usdz", "splats"])), ["glb"]),
  faces: v.exactOptional(v.nullable(v.number())),
  texture_size: v.exactOptional(v.nullable(v.number())),
  texture_format: v.exactOptional(v.nullable(v.picklist(["jpeg", "png", "webp"]))),
  normal_map: v.optional(v.boolean(), false),
  scene: v.optional(v.boolean(), true),
});

const summary = v.object({
  id,
  label: v.nullable(v.string()),
  status,
  created_at: time,
  ended_at: v.nullable(time),
  stage,
  object: v.nullable(v.number()),
  percent: v.number(),
  error: v.nullable(problem),
  thumbnail_url: v.nullable(v.string()),
});

const object = v.object({
  index: v.number(),
  label: v.nullable(v.string()),
  status: v.picklist(["unfinished", "succeeded", "failed"]),
  files: v.array(file),
  error: v.nullable(problem),
});

export const limitsSchema = v.object({
  schema_version: version,
  open_jobs: quota,
  jobs_a_day: quota,
  max_boxes: v.number(),
  max_image_bytes: v.number(),
  image_types: v.array(v.string()),
  upload_seconds: v.number(),
  link_seconds: v.number(),
});

export const createdJobSchema = v.object({
  schema_version: version,
  id,
  status: v.literal("waiting"),
  upload: v.object({ url: v.string(), fields: v.record(v.string(), v.string()), expires_at: time }),
});

export const changedJobSchema = v.object({ schema_version: version, id, status });

export const renamedJobSchema = v.object({ schema_version: version, id, label: v.string() });

export const pageSchema = v.object({
  schema_version: version,
  jobs: v.array(summary),
  next: v.nullable(v.string()),
});

export const jobSchema = v.object({
  ...summary.entries,
  schema_version: version,
  boxes: v.array(box),
  options: optionsSchema,
  image_url: v.nullable(v.string()),
  engine: v.nullable(v.string()),
  preview: v.boolean(),
  objects: v.array(object),
  files: v.array(file),
});

// Where the contract has changed and this has not, or the other way round, one of these lines does not compile.

type Frozen<T> = { readonly [K in keyof T]: Frozen<T[K]> };
// Only such functions are compared for what is the same, not for what fits: no optional field is overlooked.
/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters */
type Same<A, B> = (<T>() => T extends Frozen<A> ? 1 : 2) extends <T>() => T extends Frozen<B> ? 1 : 2 ? true : false;
/* eslint-enable @typescript-eslint/no-unnecessary-type-parameters */
type Checks<S extends v.GenericSchema, Name extends keyof Schemas> = Same<v.InferOutput<S>, Schemas[Name]>;
type True<T extends true> = T;

export type Held = [
  True<Checks<typeof limitsSchema, "Limits">>,
  True<Checks<typeof createdJobSchema, "CreatedJob">>,
  True<Checks<typeof changedJobSchema, "ChangedJob">>,
  True<Checks<typeof renamedJobSchema, "RenamedJob">>,
  True<Checks<typeof pageSchema, "Page">>,
  True<Checks<typeof jobSchema, "Job">>,
  True<Checks<typeof optionsSchema, "Options">>,
];
