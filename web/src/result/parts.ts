/** A job's objects and its scene, as they are shown: names, states, files. Knows neither the page nor how files come. */

import type { Schemas } from "../types";

type Job = Schemas["Job"];
type File = Schemas["File"];

/**
 * - `waiting`: nothing is there yet, but more is to come
 * - `outlined`: its mask is there
 * - `made`: its files are there
 * - `failed`: it says why
 * - `absent`: the job ended before it was made
 */
export type PartState = "waiting" | "outlined" | "made" | "failed" | "absent";

export interface Part {
  readonly key: string;
  /** The place of its box; null for the scene. */
  readonly index: number | null;
  /** "Object 1", "Whole scene". */
  readonly title: string;
  /** What the user calls it. */
  readonly label: string | null;
  readonly state: PartState;
  /** What the viewer shows: the compact file, or the plain one where there is no other, as in older jobs. */
  readonly model: File | null;
  /** What other programs open. */
  readonly plain: File | null;
  readonly mask: File | null;
  readonly files: readonly File[];
  readonly error: Schemas["Problem"] | null;
}

const SCENE_KEY = "scene";
const SCENE_FILE = "scene.glb";

/** The objects in the order of their boxes, and the scene, where it holds more than one of them. */
export function partsOf(job: Job): readonly Part[] {
  const objects = job.objects.map((object) => objectPart(object, job.ended_at !== null));
  const scene = job.files.find((file) => file.name === SCENE_FILE);
  if (scene === undefined || objects.length < 2) return objects;
  return [
    ...objects,
    {
      key: SCENE_KEY,
      index: null,
      title: "Whole scene",
      label: null,
      state: "made",
      model: scene,
      plain: scene,
      mask: null,
      files: [scene],
      error: null,
    },
  ];
}

function objectPart(object: Schemas["Object"], ended: boolean): Part {
  const named = (end: string): File | null =>
    object.files.find((file) => file.name === `object-${object.index}.${end}`) ?? null;
  const plain = named("glb");
  const model = named("web.glb") ?? plain;
  const mask = named("mask.png");
  return {
    key: `object-${object.index}`,
    index: object.index,
    title: `Object ${object.index + 1}`,
    label: object.label === "" ? null : object.label,
    state: stateOf(object, model ?? object.files.find((file) => file !== mask) ?? null, mask, ended),
    model,
    plain,
    mask,
    files: object.files,
    error: object.error,
  };
}

function stateOf(object: Schemas["Object"], made: File | null, mask: File | null, ended: boolean): PartState {
  if (object.status === "failed") return "failed";
  if (object.status === "succeeded" || made !== null) return "made";
  if (ended) return "absent";
  return mask === null ? "waiting" : "outlined";
}

/** What a part is called in one line: "Object 2, cup". */
export function nameOf(part: Part): string {
  return part.label === null ? part.title : `${part.title}, ${part.label}`;
}

/**
 * Which part to show where the user has not chosen: what is shown stays; else, of a job that is done, the scene of
 * several objects; else the first that is there.
 */
export function firstToShow(parts: readonly Part[], shown: string | null, ended: boolean): string | null {
  if (shown !== null && parts.some((part) => part.key === shown && part.state === "made")) return shown;
  const made = parts.filter((part) => part.state === "made" && part.model !== null);
  const scene = made.find((part) => part.index === null);
  if (ended && scene !== undefined && made.length > 2) return scene.key;
  return (made[0] ?? parts[0])?.key ?? null;
}

/** Whether two parts look the same to someone who holds their names for links: links change with every answer. */
export function sameFiles(one: readonly File[], other: readonly File[]): boolean {
  return (
    one.length === other.length &&
    one.every((file, at) => file.name === other[at]?.name && file.bytes === other[at].bytes)
  );
}
