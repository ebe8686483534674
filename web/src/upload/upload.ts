/** Sends a photo with the form that came with a new job. Knows neither the API nor who shows the progress. */

import { Problem } from "../api/problem";
import type { Schemas } from "../types";
import { uploadProblem } from "./answer";

/** Where nothing goes on for so long, the upload is given up; how long it takes altogether is the line's affair. */
const STANDSTILL_MS = 60_000;

/**
 * Uploads the file; `fetch` cannot tell how far it is.
 *
 * The form stays good until its `expires_at`, so that after `offline` or `timeout` the same can be tried again.
 *
 * @param onProgress Is told how many bytes of how many are sent; both count the form, too.
 * @returns Rejects with a Problem, or with the signal's reason where that was aborted.
 */
export function upload(
  form: Schemas["CreatedJob"]["upload"],
  file: File,
  onProgress: (sent: number, total: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const request = new XMLHttpRequest();
    let timer = 0;

    function end(failure: Error | null): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      window.removeEventListener("offline", disconnect);
      if (failure === null) resolve();
      else reject(failure);
    }
    function giveUp(failure: Error): void {
      end(failure);
      request.abort();
    }
    const stop = () => giveUp(signal.reason as Error);
    // Not every browser breaks a connection off that leads nowhere any more.
    const disconnect = () => giveUp(offline());
    function live(): void {
      clearTimeout(timer);
      timer = window.setTimeout(
        () => giveUp(new Problem("timeout", "The upload came to a standstill. Check your connection, and try again.")),
        STANDSTILL_MS,
      );
    }

    request.upload.onprogress = (event) => {
      live();
      onProgress(event.loaded, event.total);
    };
    request.onload = () => end(uploadProblem(request.status, request.responseText));
    request.onerror = () => end(offline());
    signal.addEventListener("abort", stop);
    window.addEventListener("offline", disconnect);
    live();
    request.open("POST", form.url);
    request.send(bodyOf(form.fields, file));
  });
}

/** The fields in their order, and the file last: S3 does not look at what follows it. */
export function bodyOf(fields: Readonly<Record<string, string>>, file: File): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  body.append("file", file);
  return body;
}

function offline(): Problem {
  return new Problem("offline", "The connection broke during the upload. Check it, and try again.");
}
