/** Makes a job of what is ready: asks for it, then uploads the photo. Knows no view. */

import type { JobsApi } from "../api/jobs";
import { problemOf, type Problem } from "../api/problem";
import { createStore, type Store } from "../store";
import type { Schemas } from "../types";
import { newJobOf, type Ready } from "./asked";

export type Submitting =
  | { readonly kind: "idle" }
  | { readonly kind: "asking" }
  | { readonly kind: "uploading"; readonly sent: number; readonly total: number }
  | { readonly kind: "stopped"; readonly problem: Problem };

export interface Submission {
  readonly state: Store<Submitting>;
  /**
   * Makes the job. Where an upload was broken off, and neither photo nor wishes have changed since, it goes on with the
   * same job while its form is good; otherwise that job is removed, and another made.
   */
  start(ready: Ready): Promise<void>;
  /** Breaks it off, and removes the job that waits. */
  cancel(): void;
}

type Upload = (
  form: Schemas["CreatedJob"]["upload"],
  file: File,
  onProgress: (sent: number, total: number) => void,
  signal: AbortSignal,
) => Promise<void>;

interface Attempt {
  readonly job: Schemas["CreatedJob"];
  readonly file: File;
  readonly asked: string;
}

// An upload that begins in the form's last minutes may end after it.
const SPARE_MS = 5 * 60_000;

/**
 * @param done Is told of the job once its photo is there.
 */
export function createSubmission(given: {
  readonly api: Pick<JobsApi, "create" | "remove">;
  readonly upload: Upload;
  readonly done: (id: string) => void;
}): Submission {
  const { api, upload, done } = given;
  const state = createStore<Submitting>({ kind: "idle" });
  let broken: Attempt | null = null;
  let stopping = new AbortController();

  /** It is no use to anybody; where it cannot be removed, the service ends it in time. */
  function discard(attempt: Attempt | null): void {
    if (attempt !== null) api.remove(attempt.job.id).catch(() => undefined);
  }
  async function attemptFor(ready: Ready, signal: AbortSignal): Promise<Attempt> {
    const wanted = newJobOf(ready);
    const asked = JSON.stringify(wanted);
    const { file } = ready.photo;
    if (broken !== null) {
      const isGood = Date.parse(broken.job.upload.expires_at) - Date.now() > SPARE_MS;
      if (isGood && broken.asked === asked && broken.file === file) return broken;
      discard(broken);
      broken = null;
    }
    return { job: await api.create(wanted, signal), file, asked };
  }

  return {
    state,
    async start(ready) {
      stopping = new AbortController();
      const { signal } = stopping;
      state.set({ kind: "asking" });
      try {
        broken = await attemptFor(ready, signal);
        const { job, file } = broken;
        state.set({ kind: "uploading", sent: 0, total: file.size });
        await upload(job.upload, file, (sent, total) => state.set({ kind: "uploading", sent, total }), signal);
        broken = null;
        state.set({ kind: "idle" });
        done(job.id);
      } catch (thrown) {
        if (signal.aborted) {
          discard(broken);
          broken = null;
          state.set({ kind: "idle" });
          return;
        }
        const problem = problemOf(thrown);
        if (!isPassing(problem)) {
          discard(broken);
          broken = null;
        }
        state.set({ kind: "stopped", problem });
      }
    },
    cancel() {
      stopping.abort();
      if (state.get().kind === "stopped") {
        discard(broken);
        broken = null;
        state.set({ kind: "idle" });
      }
    },
  };
}

/** Whether the same form may well be good at the next try. */
function isPassing(problem: Problem): boolean {
  return problem.code === "offline" || problem.code === "timeout" || (problem.status ?? 0) >= 500;
}
