/** Which Gen3D this page is of: what its deployment has put beside it. Knows neither users nor jobs. */

import * as v from "valibot";

import { ask, checked, patiently, problemIn } from "./api/ask";
import type { Pause } from "./api/ask";

export interface Config {
  /** The installation's name, such as `prod`; `local` is the cloud on one machine. */
  readonly stage: string;
  /** Cognito's address, without a slash at the end. */
  readonly cognito: string;
  /** As what the page signs users in. */
  readonly clientId: string;
  /** What makes the objects; `preview` makes solids of outlines, and no splats. */
  readonly engine: string;
}

const schema = v.object({
  schema_version: v.pipe(v.string(), v.regex(/^1\.\d+$/)),
  stage: v.string(),
  cognito: v.pipe(v.string(), v.url()),
  client_id: v.pipe(v.string(), v.nonEmpty()),
  engine: v.string(),
});

/** Reads `/config.json`; rejects with a Problem. */
export async function loadConfig(given: { readonly origin?: string; readonly pause?: Pause } = {}): Promise<Config> {
  const answer = await patiently(
    async () => {
      const found = await ask(`${given.origin ?? ""}/config.json`);
      if (found.status !== 200) throw problemIn(found);
      return found;
    },
    undefined,
    given.pause,
  );
  const found = checked(schema, answer);
  return {
    stage: found.stage,
    cognito: found.cognito.replace(/\/$/, ""),
    clientId: found.client_id,
    engine: found.engine,
  };
}
