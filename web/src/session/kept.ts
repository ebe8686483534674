/** Where tokens are kept so that a reload stays signed in, and other tabs know. Knows nothing of Cognito. */

import * as v from "valibot";

import { emailIn } from "./tokens";
import type { Tokens } from "./tokens";

/** Tokens; or that they came to their end by themselves; or null, where nobody has signed in, or has signed out. */
export type Entry = Tokens | "expired" | null;

export interface Kept {
  read(): Entry;
  write(entry: Entry): void;
  /** Calls the listener when another tab has written. */
  watch(listener: () => void): void;
  /** Does the work while no other tab is at its own, unless that takes too long: phones halt tabs in the middle. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

/** Longer than Cognito may take to answer. */
const WAIT_MS = 25_000;

const entrySchema = v.union([
  v.pipe(
    v.object({ id: v.string(), refresh: v.string(), until: v.number() }),
    v.check((tokens) => isReadable(tokens)),
  ),
  v.literal("expired"),
]);

/** In the browser's local storage; one entry for each client of a pool. Where storing is not allowed, until the next reload. */
export function keptInBrowser(clientId: string): Kept {
  const key = `gen3d.session.${clientId}`;
  let unstored: Entry = null;
  return {
    read() {
      if (unstored !== null) return unstored;
      try {
        const text = localStorage.getItem(key);
        return text === null ? null : entryIn(text);
      } catch {
        return null;
      }
    },
    write(entry) {
      unstored = null;
      try {
        if (entry === null) localStorage.removeItem(key);
        else localStorage.setItem(key, JSON.stringify(entry));
      } catch {
        unstored = entry;
      }
    },
    watch(listener) {
      window.addEventListener("storage", (event) => {
        // The key is null where everything was cleared.
        if (event.key === key || event.key === null) listener();
      });
      // A page that the browser had put away, for the button Back, was not told of anything.
      window.addEventListener("pageshow", (event) => {
        if (event.persisted) listener();
      });
    },
    async alone(work) {
      const late = AbortSignal.timeout(WAIT_MS);
      try {
        return await navigator.locks.request(key, { signal: late }, work);
      } catch (thrown) {
        if (thrown !== late.reason) throw thrown;
        return await work();
      }
    },
  };
}

/** What is written; what cannot be read counts as not there. */
export function entryIn(text: string): Entry {
  try {
    return v.parse(entrySchema, JSON.parse(text));
  } catch {
    return null;
  }
}

function isReadable(tokens: Tokens): boolean {
  try {
    emailIn(tokens);
    return true;
  } catch {
    return false;
  }
}
