/** Who is signed in, and a token that is good whenever one is asked for. Knows Cognito by its calls, and no view. */

import { Problem } from "../api/problem";
import type { Config } from "../config";
import { createStore } from "../store";
import type { Store } from "../store";
import { createCognito } from "./cognito";
import type { Challenge, ChallengeName, Cognito } from "./cognito";
import { keptInBrowser } from "./kept";
import type { Entry, Kept } from "./kept";
import { emailIn, isFresh } from "./tokens";
import type { Tokens } from "./tokens";

export type SessionState =
  | { readonly kind: "out"; readonly why: null | "expired" | "signed-out" }
  | { readonly kind: "challenge"; readonly challenge: ChallengeName; readonly email: string }
  | { readonly kind: "in"; readonly email: string };

/** What it does is rejected with a Problem, whose message says what to do. */
export interface Session {
  readonly state: Store<SessionState>;
  /**
   * The ID token, fresh from Cognito where that is needed.
   *
   * @param refused One that the API would not take: another comes. Where that one was fresh, the session is over.
   */
  token(refused?: string): Promise<string>;
  signIn(email: string, password: string): Promise<void>;
  /** Answers the challenge: the new password, or the authenticator's code. */
  answer(given: string): Promise<void>;
  /** Back from a challenge to signing in. */
  leave(): void;
  /** Has a code sent to somebody who has forgotten their password; gives where to, as Cognito shows it. */
  forgot(email: string): Promise<string | null>;
  /** Changes a forgotten password with that code. */
  changeForgotten(email: string, code: string, password: string): Promise<void>;
  /** Signs out at once, here and in other tabs; what Cognito is told of it may be lost. */
  signOut(): Promise<void>;
}

/** So long a token counts as fresh from Cognito. */
const YOUNG_MS = 60_000;

export function createSession(
  config: Pick<Config, "cognito" | "clientId">,
  kept: Kept = keptInBrowser(config.clientId),
): Session {
  const cognito: Cognito = createCognito(config);
  const state = createStore<SessionState>(stateOf(kept.read(), null));
  let pending: Challenge | null = null;
  let replaced: { readonly by: string; readonly at: number } | null = null;

  kept.watch(() => {
    const now = state.get();
    const next = stateOf(kept.read(), now.kind === "in" ? "signed-out" : null);
    // Somebody who is at a challenge here goes on with it, unless another tab is through.
    if (now.kind === "challenge" && next.kind === "out") return;
    show(next);
  });

  function show(next: SessionState): void {
    const now = state.get();
    if (now.kind === "in" && next.kind === "in" && now.email === next.email) return;
    if (now.kind === "out" && next.kind === "out" && now.why === next.why) return;
    state.set(next);
  }

  function settle(email: string, outcome: Tokens | Challenge): void {
    if ("id" in outcome) {
      pending = null;
      kept.write(outcome);
      show({ kind: "in", email: emailIn(outcome) });
    } else {
      pending = outcome;
      state.set({ kind: "challenge", challenge: outcome.name, email });
    }
  }

  /** What is thrown where nobody is signed in; the state says so from then on. */
  function over(): Problem {
    const entry = kept.read();
    if (state.get().kind === "in") show(stateOf(entry, "signed-out"));
    return entry === "expired"
      ? new Problem("session_expired", "Your session has ended. Sign in again.")
      : new Problem("signed_out", "You are signed out. Sign in again.");
  }

  function expire(): Problem {
    kept.write("expired");
    return over();
  }

  async function replacedToken(refused: string | undefined): Promise<string> {
    const old = kept.read();
    if (!isTokens(old)) throw over();
    const now = Date.now();
    // While this tab waited, another may have done it.
    if (old.id !== refused && isFresh(old, now)) return old.id;
    if (refused !== undefined && replaced?.by === refused && now - replaced.at < YOUNG_MS) throw expire();
    let fresh: Tokens;
    try {
      fresh = await cognito.refresh(old);
    } catch (thrown) {
      if (thrown instanceof Problem && thrown.code === "session_over" && isSame(kept.read(), old)) throw expire();
      // Cognito cannot be asked just now, and the old one still has a few minutes.
      if (old.id !== refused && old.until > Date.now()) return old.id;
      throw thrown;
    }
    // Meanwhile somebody may have signed out, or in as somebody else.
    if (!isSame(kept.read(), old)) return replacedToken(refused);
    kept.write(fresh);
    replaced = { by: fresh.id, at: Date.now() };
    return fresh.id;
  }

  async function token(refused?: string): Promise<string> {
    const tokens = kept.read();
    if (!isTokens(tokens)) throw over();
    if (tokens.id !== refused && isFresh(tokens, Date.now())) return tokens.id;
    return kept.alone(() => replacedToken(refused));
  }

  function leave(): void {
    pending = null;
    show(stateOf(kept.read(), null));
  }

  return {
    state,
    token,
    async signIn(email, password) {
      settle(email, await cognito.signIn(email, password));
    },
    async answer(given) {
      const now = state.get();
      if (pending === null || now.kind !== "challenge") throw new Problem("challenge_over", "Sign in again.");
      try {
        settle(now.email, await cognito.respond(pending, given));
      } catch (thrown) {
        if (thrown instanceof Problem && thrown.code === "challenge_over") leave();
        throw thrown;
      }
    },
    leave,
    forgot: (email) => cognito.forgot(email),
    changeForgotten: (email, code, password) => cognito.changeForgotten(email, code, password),
    async signOut() {
      const tokens = kept.read();
      kept.write(null);
      show({ kind: "out", why: "signed-out" });
      if (isTokens(tokens)) await cognito.revoke(tokens).catch(() => undefined);
    },
  };
}

function stateOf(entry: Entry, why: null | "signed-out"): SessionState {
  if (isTokens(entry)) return { kind: "in", email: emailIn(entry) };
  return { kind: "out", why: entry ?? why };
}

function isTokens(entry: Entry): entry is Tokens {
  return entry !== null && entry !== "expired";
}

function isSame(entry: Entry, tokens: Tokens): boolean {
  return isTokens(entry) && entry.refresh === tokens.refresh;
}
