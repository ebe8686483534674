/** Tokens as Cognito gives them: who they are of, and until when they are good. Knows neither Cognito's address nor who keeps them. */

import * as v from "valibot";

import { Problem } from "../api/problem";

export interface Tokens {
  /** What the API wants. */
  readonly id: string;
  /** What another ID token is got with. */
  readonly refresh: string;
  /** When the ID token ends, in milliseconds of this browser's clock, whatever that shows. */
  readonly until: number;
}

/** An ID token is not used any more in its last minutes: what it is sent with may take its time. */
const MARGIN_MS = 3 * 60_000;

const claims = v.object({ email: v.string(), iat: v.number(), exp: v.number() });

/**
 * Tokens that have come this moment.
 *
 * A browser's clock may be wrong by hours; a token's own times say how long it is good, and that counts from now.
 */
export function arrivedTokens(id: string, refresh: string, now: number): Tokens {
  const { iat, exp } = claimsIn(id);
  return { id, refresh, until: now + (exp - iat) * 1000 };
}

/** Whether the ID token should not be replaced yet. */
export function isFresh(tokens: Tokens, now: number): boolean {
  return tokens.until - now > MARGIN_MS;
}

/** Whose tokens they are. */
export function emailIn(tokens: Tokens): string {
  return claimsIn(tokens.id).email;
}

/** Reads a token, https://www.rfc-editor.org/rfc/rfc7519; whether it is genuine is for the API to say. */
function claimsIn(token: string): v.InferOutput<typeof claims> {
  const coded = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
  try {
    const bytes = Uint8Array.from(atob(coded), (character) => character.charCodeAt(0));
    return v.parse(claims, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (cause) {
    const problem = new Problem("unexpected_answer", "Signing in gives a token that this page cannot read.");
    problem.cause = cause;
    throw problem;
  }
}
