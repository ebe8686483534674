/** Statuses, failures and times in words. Knows no view. */

import type { IconName } from "../shell/icons";
import type { Schemas } from "../types";

export type Status = Schemas["Status"];

export interface StatusLook {
  readonly text: string;
  readonly icon: IconName;
  /** The badge's class: what colour says is also said by the text and the icon. */
  readonly kind: "" | "good" | "warn" | "bad";
}

const STATUSES: Readonly<Record<Status, StatusLook>> = {
  waiting: { text: "Waiting for the photo", icon: "photo", kind: "" },
  uploaded: { text: "Photo received", icon: "photo", kind: "" },
  queued: { text: "In the queue", icon: "waiting", kind: "" },
  running: { text: "Running", icon: "cube", kind: "" },
  succeeded: { text: "Done", icon: "check", kind: "good" },
  partial: { text: "Partly done", icon: "warning", kind: "warn" },
  failed: { text: "Failed", icon: "warning", kind: "bad" },
  cancelled: { text: "Cancelled", icon: "stop", kind: "" },
  lost: { text: "No answer", icon: "warning", kind: "bad" },
};

/** How a status is shown. */
export function lookOf(status: Status): StatusLook {
  return STATUSES[status];
}

/** Whether nothing more will happen to a job of this status. */
export function hasEnded(status: Status): boolean {
  return !["waiting", "uploaded", "queued", "running"].includes(status);
}

/** Whether a job of this status has ended with something to show. */
export function wentWell(status: Status): boolean {
  return status === "succeeded" || status === "partial";
}

const FAILURES: Readonly<Record<string, readonly [what: string, advice: string]>> = {
  image_empty: ["The photo that arrived was empty.", "Choose it again, or another one."],
  image_too_large: ["The photo that arrived is too large.", "Choose a smaller one."],
  image_unsupported: [
    "What arrived is not a picture that can be read.",
    "Save it as JPEG or PNG, and choose it again.",
  ],
  upload_missing: ["The photo did not arrive in time.", "Choose it again."],
  never_submitted: ["The service could not pass the job on to be made.", "Try again in a while."],
  no_answer: ["The job was given to the GPU, and no answer came in time.", "Try again."],
  inference_failed: [
    "The objects could not be made.",
    "Try again; if it happens once more, tell whoever runs this Gen3D what stands here:",
  ],
  result_unreadable: [
    "What was made could not be read.",
    "Try again; if it happens once more, tell whoever runs this Gen3D.",
  ],
  no_object_made: ["No object could be made.", "Each says why below. Change its box, and try again."],
  cancelled: ["You cancelled this job.", "What was made until then stays."],
};

/** Why a job as a whole failed, and what to do; an unknown code speaks for itself. */
export function failureOf(error: Schemas["Problem"]): {
  readonly what: string;
  readonly advice: string;
  readonly said: string | null;
} {
  const known = FAILURES[error.code];
  if (known === undefined)
    return { what: error.message, advice: "Change the photo or the boxes, and try again.", said: null };
  const said = error.code === "inference_failed" ? error.message : null;
  return { what: known[0], advice: known[1], said };
}

/** A time span as people read it: `8 s`, `2 min 5 s`, `1 h 4 min`. */
export function spanOf(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["minute", 60],
  ["hour", 3600],
  ["day", 86_400],
  ["week", 7 * 86_400],
  ["month", 30.44 * 86_400],
  ["year", 365.25 * 86_400],
];

/** How long ago something was: `just now`, `5 minutes ago`, `yesterday`. */
export function agoOf(time: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  const unit = UNITS.findLast(([, size]) => seconds >= size);
  return unit === undefined ? "just now" : AGO.format(-Math.floor(seconds / unit[1]), unit[0]);
}

/** A moment to the second, in the reader's time and manner. */
export function momentOf(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}
