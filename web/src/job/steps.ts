/** The way of a job in steps and words: which are done, which is now, what it says. Knows no view and no clock. */

import { countText } from "../amounts";
import type { Schemas } from "../types";
import { hasEnded, lookOf } from "./words";

type Job = Schemas["Job"];

export interface Step {
  readonly text: string;
  readonly state: "done" | "now" | "later";
}

// A queue that moves by itself takes seconds; beyond, a GPU is most likely being started.
const WARM_UP_MS = 20_000;

// Of the steps, which one a job of this status is at.
const PLACES: Partial<Record<Job["status"], number>> = {
  waiting: 0,
  uploaded: 1,
  queued: 1,
  running: 2,
  succeeded: 4,
  partial: 4,
};

const STAGES: Readonly<Record<Exclude<Job["stage"], null>, string>> = {
  decode: "Reading the photo",
  segment: "Finding",
  reconstruct: "Shaping",
  finish: "Finishing",
  store: "Storing",
  done: "Storing the results",
  failed: "Stopping",
};

/** What a running job is doing: "Shaping object 2 of 3". */
export function workOf(job: Job): string {
  const { stage, object } = job;
  if (stage === null) return STAGES.decode;
  // At the very end the scene and the preview are stored, which belong to no object.
  if (object === null) return stage === "store" ? STAGES.done : STAGES[stage];
  const of = job.boxes.length;
  return of === 1 ? `${STAGES[stage]} the object` : `${STAGES[stage]} object ${object + 1} of ${of}`;
}

/**
 * The steps of a job that is under way, or went well.
 *
 * @param job As the API tells of it.
 * @param elapsed Milliseconds since it was made.
 */
export function stepsOf(job: Job, elapsed: number): readonly Step[] {
  const at = PLACES[job.status] ?? 0;
  const queue = isWarmingUp(job, elapsed) ? "Warming up a GPU" : "In the queue";
  const texts = [
    at === 0 ? "Waiting for the photo" : "Photo received",
    at > 1 ? "Through the queue" : queue,
    at === 2 ? workOf(job) : `Making ${countText(job.boxes.length, "object", "objects")}`,
    at > 3 ? lookOf(job.status).text : "Done",
  ];
  return texts.map((text, index) => ({ text, state: index < at ? "done" : index === at ? "now" : "later" }));
}

/** What helps to wait; null where nobody waits. How long a GPU takes to start is an estimate, and said to be one. */
export function hintOf(job: Job, elapsed: number): string | null {
  if (hasEnded(job.status)) return null;
  if (job.status === "waiting") return "If its upload was broken off, cancel this job and make it anew.";
  const mail = "You may close this tab: you get a mail when the job has ended.";
  if (!isWarmingUp(job, elapsed)) return mail;
  return `Where no GPU was running, one is started now: that takes about ten minutes, by estimate. ${mail}`;
}

function isWarmingUp(job: Job, elapsed: number): boolean {
  return PLACES[job.status] === 1 && elapsed >= WARM_UP_MS;
}

/** What the tab's title says of a job: "2 of 3 · cup", "Done · cup". */
export function titleOf(job: Job, ended: string | null): string {
  const name = job.label ?? "job";
  if (ended !== null) return `${ended} · ${name}`;
  if (job.status !== "running") return `Waiting · ${name}`;
  const of = job.boxes.length;
  return of > 1 && job.object !== null
    ? `${job.object + 1} of ${of} · ${name}`
    : `${Math.round(job.percent)} % · ${name}`;
}
