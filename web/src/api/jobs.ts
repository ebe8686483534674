/** The API's jobs: asks with the user's token, and checks what comes. Knows no view, and not where tokens come from. */

import * as v from "valibot";

import type { Schemas } from "../types";
import { ask, checked, patiently, problemIn } from "./ask";
import type { Answer, Pause, Question } from "./ask";
import { changedJobSchema, createdJobSchema, jobSchema, limitsSchema, pageSchema, renamedJobSchema } from "./checks";

/**
 * Every promise is rejected with a Problem, or with the signal's reason where that was aborted. What only reads is
 * asked for again a few times where the service does not answer; what changes something is not: the answer may have
 * been lost, not the question.
 */
export interface JobsApi {
  limits(signal?: AbortSignal): Promise<Schemas["Limits"]>;
  create(job: Schemas["NewJob"], signal?: AbortSignal): Promise<Schemas["CreatedJob"]>;
  /** A page of the user's jobs, the newest first; the cursor is the `next` of the page before. */
  list(cursor: string | null, signal?: AbortSignal): Promise<Schemas["Page"]>;
  get(id: string, signal?: AbortSignal): Promise<Schemas["Job"]>;
  rename(id: string, label: string): Promise<Schemas["RenamedJob"]>;
  cancel(id: string): Promise<Schemas["ChangedJob"]>;
  /** A new job with the photo, the boxes and the options of one that has ended. */
  retry(id: string): Promise<Schemas["ChangedJob"]>;
  remove(id: string): Promise<void>;
}

/**
 * @param token Gives the user's ID token; told of one that was refused, another. Rejects where there is none.
 * @param given Where the API is, if not where the page is; and how it waits before it asks again.
 */
export function createJobsApi(
  token: (refused?: string) => Promise<string>,
  given: { readonly origin?: string; readonly pause?: Pause } = {},
): JobsApi {
  const { origin = "", pause } = given;

  async function request(path: string, question: Question): Promise<Answer> {
    const send = (sent: string) =>
      ask(`${origin}/api/${path}`, {
        ...question,
        headers: {
          Authorization: `Bearer ${sent}`,
          ...(question.body === undefined ? {} : { "Content-Type": "application/json" }),
        },
      });
    let used = await token();
    let answer = await send(used);
    if (answer.status === 401) {
      used = await token(used);
      answer = await send(used);
      if (answer.status === 401) await token(used); // which ends the session
    }
    if (answer.status >= 400) throw problemIn(answer);
    return answer;
  }

  async function read<T>(path: string, schema: v.GenericSchema<unknown, T>, signal?: AbortSignal): Promise<T> {
    return checked(schema, await patiently(() => request(path, { signal }), signal, pause));
  }

  async function change<T>(path: string, schema: v.GenericSchema<unknown, T>, question: Question): Promise<T> {
    return checked(schema, await request(path, question));
  }

  return {
    limits: (signal) => read("limits", limitsSchema, signal),
    create: (job, signal) => change("jobs", createdJobSchema, { method: "POST", body: JSON.stringify(job), signal }),
    list: (cursor, signal) =>
      read(cursor === null ? "jobs" : `jobs?cursor=${encodeURIComponent(cursor)}`, pageSchema, signal),
    get: (id, signal) => read(pathOf(id), jobSchema, signal),
    rename: (id, label) =>
      change(`${pathOf(id)}/label`, renamedJobSchema, { method: "PUT", body: JSON.stringify({ label }) }),
    cancel: (id) => change(`${pathOf(id)}/cancel`, changedJobSchema, { method: "POST" }),
    retry: (id) => change(`${pathOf(id)}/retry`, changedJobSchema, { method: "POST" }),
    async remove(id) {
      await request(pathOf(id), { method: "DELETE" });
    },
  };
}

// The id may be what somebody has written behind `#/jobs/`.
function pathOf(id: string): string {
  return `jobs/${encodeURIComponent(id)}`;
}
