/** Keeps what is being prepared over reloads and ended sessions, in this browser alone. Knows no view. */

import type { Draft } from "../types";
import { draftOf, recordOf } from "./record";

// Nothing here is needed to make a mesh: where the browser cannot store, or is full, nothing breaks.

const NAME = "gen3d";
const STORE = "drafts";

/**
 * Keeps the draft of somebody, in place of the one before.
 *
 * @param owner The e-mail address of who is signed in.
 * @returns Whether it is kept: false where there is no room, or the browser stores nothing.
 */
export async function keepDraft(owner: string, draft: Draft): Promise<boolean> {
  return await stored("readwrite", (drafts) => drafts.put(recordOf(draft), owner)).then(
    () => true,
    () => false,
  );
}

/** The draft that was kept, with a fresh object URL of its photo; null where there is none. */
export async function keptDraft(owner: string): Promise<Draft | null> {
  return draftOf(await stored<unknown>("readonly", (drafts) => drafts.get(owner)).catch(() => null));
}

/** Asks the store for something, in a transaction that is through when the promise is. */
async function stored<T>(mode: IDBTransactionMode, ask: (drafts: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await opened();
  try {
    const transaction = database.transaction(STORE, mode);
    const request = ask(transaction.objectStore(STORE));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new DOMException("It was stopped.", "AbortError"));
    });
    return request.result;
  } finally {
    database.close();
  }
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new DOMException("It cannot be opened.", "UnknownError"));
  });
}
