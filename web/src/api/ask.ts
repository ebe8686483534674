/** Asks over HTTP: limits of time, repeats, and what went wrong as a Problem. Knows no address and no token. */

import * as v from "valibot";

import { Problem } from "./problem";

export interface Question {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Has it stopped early: the promise is then rejected with the signal's reason, as `fetch` does it. */
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  /** What the body's JSON says; undefined where it is empty or no JSON. */
  readonly body: unknown;
}

export type Pause = (milliseconds: number, signal?: AbortSignal) => Promise<void>;

const ASK_MS = 20_000;
const PAUSES_MS = [500, 1000, 2000];

/**
 * One request, and the whole of its answer, whatever its status.
 *
 * Throws the Problem `offline` or `timeout` where none came.
 */
export async function ask(url: string, question: Question = {}): Promise<Answer> {
  const { signal, ...rest } = question;
  const late = AbortSignal.timeout(ASK_MS);
  try {
    const response = await fetch(url, {
      ...rest,
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
    return { status: response.status, body: parsed(await response.text()) };
  } catch (thrown) {
    signal?.throwIfAborted();
    if (late.aborted) throw new Problem("timeout", "The service takes too long to answer. Try again in a minute.");
    if (thrown instanceof TypeError) {
      throw new Problem("offline", "The service cannot be reached. Check your connection, and try again.");
    }
    throw thrown;
  }
}

/** Does what may be done twice, up to four times, with longer and longer pauses, until the service answers. */
export async function patiently<T>(work: () => Promise<T>, signal?: AbortSignal, pause: Pause = resting): Promise<T> {
  for (const milliseconds of PAUSES_MS) {
    try {
      return await work();
    } catch (thrown) {
      if (!isPassing(thrown)) throw thrown;
    }
    // Not all at the same moment, where many pages wait for the same service.
    await pause(milliseconds * (0.75 + Math.random() / 2), signal);
  }
  return work();
}

/** What an answer has to be, or the Problem `unexpected_answer`. */
export function checked<T>(schema: v.GenericSchema<unknown, T>, answer: Answer): T {
  const found = v.safeParse(schema, answer.body);
  if (found.success) return found.output;
  const problem = new Problem(
    "unexpected_answer",
    "The service answers in a way that this page does not know. Reload the page.",
    {},
    answer.status,
  );
  problem.cause = new v.ValiError(found.issues);
  throw problem;
}

const errorBody = v.object({
  error: v.object({ code: v.string(), message: v.string(), details: v.record(v.string(), v.unknown()) }),
});

/** The Problem that an answer tells of: in the service's own words, or, where only its gateway answered, in ours. */
export function problemIn(answer: Answer): Problem {
  const { status } = answer;
  const ours = v.safeParse(errorBody, answer.body);
  if (ours.success) {
    const { code, message, details } = ours.output.error;
    return new Problem(code, message, details, status);
  }
  if (status === 401) return new Problem("unauthorized", "The service does not know you. Sign in again.", {}, status);
  if (status === 413) return new Problem("request_too_large", "That is more than the service takes.", {}, status);
  if (status === 429) {
    return new Problem("too_many_requests", "Too much is asked at once. Try again in a minute.", {}, status);
  }
  if (status >= 500) {
    return new Problem("service_unavailable", "The service does not work just now. Try again in a minute.", {}, status);
  }
  return new Problem("request_refused", `The service refuses that (status ${status}). Reload the page.`, {}, status);
}

function isPassing(thrown: unknown): boolean {
  if (!(thrown instanceof Problem)) return false;
  return thrown.code === "offline" || thrown.status === 429 || (thrown.status ?? 0) >= 500;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function resting(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
