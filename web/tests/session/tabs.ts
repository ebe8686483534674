/** What is kept in a browser, as its tabs see it: they share what is written, and hear of what the others write. */

import type { Entry, Kept } from "../../src/session/kept";

export interface Browser {
  tab(): Kept;
  /** What is written now. */
  entry(): Entry;
  /** Has something written without a tab that does it. */
  put(entry: Entry): void;
}

export function browser(initial: Entry = null): Browser {
  let entry = initial;
  let line: Promise<unknown> = Promise.resolve();
  const listeners: (() => void)[] = [];
  return {
    entry: () => entry,
    put(next) {
      entry = next;
      for (const listener of listeners) listener();
    },
    tab() {
      let own = (): void => undefined;
      return {
        read: () => entry,
        write(next) {
          entry = next;
          for (const listener of listeners) if (listener !== own) listener();
        },
        watch(listener) {
          own = listener;
          listeners.push(listener);
        },
        alone(work) {
          const done = line.then(work);
          line = done.catch(() => undefined);
          return done;
        },
      };
    },
  };
}
