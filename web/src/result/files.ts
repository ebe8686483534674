/** A job's files, fetched by name however old their links are. Knows not what is in them. */

import { Problem } from "../api/problem";
import type { Store } from "../store";
import type { Schemas } from "../types";

/** The name under which the photo is asked for. */
export const PHOTO = "photo";

export type OnProgress = (loaded: number) => void;

export interface Files {
  /**
   * A file's bytes, fetched once: whoever asks again gets the same.
   *
   * @param name Of one of the job's files, or PHOTO.
   * @param onProgress Told how many bytes are there, where they are not yet.
   * @throws Problem `file_gone` or `file_not_loaded`.
   */
  blob(name: string, onProgress?: OnProgress): Promise<Blob>;
  /** Its newest link; null where there is none. */
  link(name: string): string | null;
}

/**
 * @param job Its links work for minutes.
 * @param refresh Brings the job again, with new links.
 * @param signal Aborted when nobody wants any of it any more.
 */
export function createFiles(job: Store<Schemas["Job"]>, refresh: () => Promise<void>, signal: AbortSignal): Files {
  const fetched = new Map<string, Promise<Blob>>();
  // Several links expire together: the job is asked for once.
  let refreshing: Promise<void> | null = null;

  function link(name: string): string | null {
    const { image_url, objects, files } = job.get();
    if (name === PHOTO) return image_url;
    return [...objects.flatMap((object) => object.files), ...files].find((file) => file.name === name)?.url ?? null;
  }

  async function get(name: string): Promise<Response> {
    const url = link(name);
    if (url === null) throw gone();
    const response = await ask(url, signal);
    if (response.ok) return response;
    // S3 says 403 of an expired link, and of a file that is not there.
    if (response.status !== 403) throw response.status === 404 ? gone() : notLoaded(response.status);
    if (link(name) === url) {
      refreshing ??= refresh().finally(() => {
        refreshing = null;
      });
      await refreshing;
    }
    const fresh = link(name);
    if (fresh === null || fresh === url) throw gone();
    const again = await ask(fresh, signal);
    if (again.ok) return again;
    throw again.status === 403 || again.status === 404 ? gone() : notLoaded(again.status);
  }

  return {
    link,
    blob(name, onProgress) {
      const known = fetched.get(name);
      if (known !== undefined) return known;
      const coming = get(name).then((response) => read(response, onProgress));
      fetched.set(name, coming);
      coming.catch(() => fetched.delete(name));
      return coming;
    },
  };
}

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url, { signal });
  } catch (cause) {
    signal.throwIfAborted();
    throw notLoaded(null, cause);
  }
}

async function read(response: Response, onProgress: OnProgress | undefined): Promise<Blob> {
  const type = response.headers.get("content-type") ?? "";
  try {
    if (onProgress === undefined || response.body === null) return await response.blob();
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let loaded = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Blob(parts, { type });
      parts.push(value);
      loaded += value.byteLength;
      onProgress(loaded);
    }
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw notLoaded(null, cause);
  }
}

function gone(): Problem {
  return new Problem("file_gone", "This file is no longer kept.");
}

function notLoaded(status: number | null, cause?: unknown): Problem {
  const message = "The file did not come through. Check the connection, and try again.";
  const problem = new Problem("file_not_loaded", message, {}, status);
  problem.cause = cause;
  return problem;
}
