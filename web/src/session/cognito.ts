/** Cognito's calls, as AWS documents them, and its errors in plain words. Keeps nothing, and knows no view. */

// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_InitiateAuth.html and its neighbours.
// None of these calls is signed: a page has no AWS credentials.

import * as v from "valibot";

import { ask, checked, problemIn } from "../api/ask";
import type { Answer } from "../api/ask";
import { Problem } from "../api/problem";
import type { Config } from "../config";
import { PASSWORD_RULES } from "./password";
import { arrivedTokens } from "./tokens";
import type { Tokens } from "./tokens";

export type ChallengeName = "new-password" | "totp";

/** What Cognito wants to know before it lets somebody in; it waits three minutes. */
export interface Challenge {
  readonly name: ChallengeName;
  readonly username: string;
  readonly session: string;
}

export interface Cognito {
  signIn(email: string, password: string): Promise<Tokens | Challenge>;
  respond(challenge: Challenge, answer: string): Promise<Tokens | Challenge>;
  /** Rejects with `session_over` where the user has to sign in again. */
  refresh(tokens: Tokens): Promise<Tokens>;
  /** Has a code sent; gives where to, as Cognito shows it: `a***@e***`. */
  forgot(email: string): Promise<string | null>;
  changeForgotten(email: string, code: string, password: string): Promise<void>;
  revoke(tokens: Tokens): Promise<void>;
}

/** Each challenge's name with Cognito, and the field of its answer. */
const CHALLENGES: Readonly<Record<ChallengeName, readonly [name: string, field: string]>> = {
  "new-password": ["NEW_PASSWORD_REQUIRED", "NEW_PASSWORD"],
  totp: ["SOFTWARE_TOKEN_MFA", "SOFTWARE_TOKEN_MFA_CODE"],
};

const signedIn = v.object({
  ChallengeName: v.optional(v.string()),
  Session: v.optional(v.string()),
  ChallengeParameters: v.optional(v.object({ USER_ID_FOR_SRP: v.optional(v.string()) })),
  AuthenticationResult: v.optional(v.object({ IdToken: v.string(), RefreshToken: v.optional(v.string()) })),
});
const refreshed = v.object({
  AuthenticationResult: v.object({ IdToken: v.string(), RefreshToken: v.optional(v.string()) }),
});
const codeSent = v.object({
  CodeDeliveryDetails: v.optional(v.object({ Destination: v.optional(v.string()) })),
});

export function createCognito(config: Pick<Config, "cognito" | "clientId">): Cognito {
  const ClientId = config.clientId;

  async function call(name: string, given: Record<string, unknown>): Promise<Answer> {
    const answer = await ask(`${config.cognito}/`, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": `AWSCognitoIdentityProviderService.${name}`,
      },
      body: JSON.stringify({ ClientId, ...given }),
    });
    if (answer.status >= 400) throw cognitoProblem(answer);
    return answer;
  }

  function outcome(answer: Answer, username: string): Tokens | Challenge {
    const { AuthenticationResult: result, ...asked } = checked(signedIn, answer);
    if (result?.RefreshToken !== undefined) return arrivedTokens(result.IdToken, result.RefreshToken, Date.now());
    const name = (["new-password", "totp"] as const).find((known) => CHALLENGES[known][0] === asked.ChallengeName);
    if (name === undefined) {
      throw new Problem(
        "challenge_unsupported",
        "Your account asks for something that this page cannot do. Ask who runs this Gen3D.",
        { challenge: asked.ChallengeName },
      );
    }
    return {
      name,
      // Cognito wants its own name for the user from here on, not the address they signed in with.
      username: asked.ChallengeParameters?.USER_ID_FOR_SRP ?? username,
      session: asked.Session ?? "",
    };
  }

  return {
    async signIn(email, password) {
      const AuthParameters = { USERNAME: email, PASSWORD: password };
      return outcome(await call("InitiateAuth", { AuthFlow: "USER_PASSWORD_AUTH", AuthParameters }), email);
    },
    async respond({ name, username, session }, answer) {
      const [ChallengeName, field] = CHALLENGES[name];
      const ChallengeResponses = { USERNAME: username, [field]: answer };
      const given = { ChallengeName, Session: session, ChallengeResponses };
      return outcome(await call("RespondToAuthChallenge", given), username);
    },
    async refresh(tokens) {
      const AuthParameters = { REFRESH_TOKEN: tokens.refresh };
      const answer = await call("InitiateAuth", { AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters }).catch(
        (thrown: unknown) => {
          if (!(thrown instanceof Problem) || !ENDINGS.has(thrown.details["cognito"])) throw thrown;
          throw new Problem("session_over", "Your session has ended. Sign in again.", thrown.details, thrown.status);
        },
      );
      const { AuthenticationResult: result } = checked(refreshed, answer);
      // Another refresh token comes only where the pool's client rotates them.
      return arrivedTokens(result.IdToken, result.RefreshToken ?? tokens.refresh, Date.now());
    },
    async forgot(email) {
      const sent = checked(codeSent, await call("ForgotPassword", { Username: email }));
      return sent.CodeDeliveryDetails?.Destination ?? null;
    },
    async changeForgotten(email, code, password) {
      await call("ConfirmForgotPassword", { Username: email, ConfirmationCode: code, Password: password });
    },
    async revoke(tokens) {
      await call("RevokeToken", { Token: tokens.refresh });
    },
  };
}

/** With these a refresh token is refused for good. */
const ENDINGS: ReadonlySet<unknown> = new Set([
  "NotAuthorized",
  "PasswordResetRequired",
  "UserNotConfirmed",
  "UserNotFound",
]);

const errorBody = v.object({ __type: v.string(), message: v.optional(v.string(), "") });

/** What Cognito refuses, by its kind of error; where it tells several things by one kind, by its message. */
const WORDS: readonly (readonly [kind: string, told: RegExp | null, code: string, message: string])[] = [
  [
    "NotAuthorized",
    /attempts exceeded/i,
    "too_many_tries",
    "Too many tries. Wait a quarter of an hour, and try again.",
  ],
  ["NotAuthorized", /disabled/i, "user_disabled", "This account is switched off. Ask who runs this Gen3D."],
  [
    "NotAuthorized",
    /temporary password/i,
    "temporary_password_over",
    "The password of your invitation is too old. Ask who runs this Gen3D for another.",
  ],
  [
    "NotAuthorized",
    /cannot be reset/i,
    "password_not_reset",
    "You have not chosen a password yet: sign in with the one of your invitation.",
  ],
  ["NotAuthorized", /session/i, "challenge_over", "That took too long. Sign in again."],
  ["NotAuthorized", null, "wrong_password", "The e-mail address or the password is not right."],
  ["UserNotFound", null, "wrong_password", "The e-mail address or the password is not right."],
  [
    "PasswordResetRequired",
    null,
    "password_reset_required",
    "Your password has to be changed: have a code sent to your e-mail address.",
  ],
  ["UserNotConfirmed", null, "user_unconfirmed", "This account is not confirmed yet. Ask who runs this Gen3D."],
  ["CodeMismatch", null, "wrong_code", "This is not the right code. Look at it once more."],
  ["ExpiredCode", /already been used/i, "code_over", "This code was used before. Wait for the next one."],
  ["ExpiredCode", null, "code_over", "This code is too old, or was used before. Have another sent."],
  ["InvalidPassword", /history|previous/i, "password_used", "You have had this password before. Choose another."],
  ["InvalidPassword", null, "weak_password", PASSWORD_RULES],
  [
    "InvalidParameter",
    /verified/i,
    "email_unverified",
    "Your e-mail address is not confirmed, so no code can be sent to it. Ask who runs this Gen3D.",
  ],
  ["InvalidParameter", /password/i, "weak_password", `${PASSWORD_RULES} It neither begins nor ends with a blank.`],
  ["CodeDeliveryFailure", null, "code_not_sent", "The code could not be sent. Try again in a minute."],
  ["LimitExceeded", null, "too_many_tries", "Too many tries. Wait a quarter of an hour, and try again."],
  ["TooManyFailedAttempts", null, "too_many_tries", "Too many tries. Wait a quarter of an hour, and try again."],
  ["TooManyRequests", null, "too_many_requests", "Too many people sign in at once. Try again in a minute."],
];

/** Cognito's error in plain words; one that is not known here is shown in Cognito's own. */
export function cognitoProblem(answer: Answer): Problem {
  const found = v.safeParse(errorBody, answer.body);
  if (!found.success || answer.status >= 500) return problemIn(answer);
  const { __type, message } = found.output;
  const kind = (__type.split("#").pop() ?? "").replace(/Exception$/, "");
  const known = WORDS.find(([name, told]) => name === kind && (told?.test(message) ?? true));
  const details = { cognito: kind };
  if (known) return new Problem(known[2], known[3], details, answer.status);
  return new Problem("sign_in_refused", message || `Signing in does not work (${kind}).`, details, answer.status);
}
