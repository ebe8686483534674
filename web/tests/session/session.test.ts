import { afterEach, expect, test } from "vitest";

import { createSession } from "../../src/session/session";
import { arrivedTokens } from "../../src/session/tokens";
import type { Reply } from "../api/server";
import { cognitoServer, idToken, refused, signedIn, type Call, type CognitoServer } from "./cognito";
import { browser, type Browser } from "./tabs";

let server: CognitoServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const ADA = "ada@example.com";

async function open(within: Browser, reply: (name: string, given: Call) => Reply) {
  server = await cognitoServer(reply);
  return { session: createSession(server.config, within.tab()), calls: server.calls, config: server.config };
}

/** Tokens that came so many minutes ago; ID tokens are good for 30. */
function tokens(minutesAgo: number) {
  return arrivedTokens(idToken(ADA), "refresh", Date.now() - minutesAgo * 60_000);
}

test("nobody is signed in at first", async () => {
  const { session } = await open(browser(), () => signedIn(ADA));
  expect(session.state.get()).toEqual({ kind: "out", why: null });
  await expect(session.token()).rejects.toMatchObject({ code: "signed_out" });
});

test("address and password sign in", async () => {
  const within = browser();
  const { session, calls } = await open(within, () => signedIn(ADA));
  await session.signIn(ADA, "secret");
  expect(session.state.get()).toEqual({ kind: "in", email: ADA });
  expect(await session.token()).toBe(idToken(ADA));
  expect(calls).toEqual([
    [
      "InitiateAuth",
      {
        ClientId: "client",
        AuthFlow: "USER_PASSWORD_AUTH",
        AuthParameters: { USERNAME: ADA, PASSWORD: "secret" },
      },
    ],
  ]);
});

test("a wrong password says so, and nobody is signed in", async () => {
  const { session } = await open(browser(), () => refused("NotAuthorizedException", "Incorrect username or password."));
  await expect(session.signIn(ADA, "secret")).rejects.toMatchObject({ code: "wrong_password" });
  expect(session.state.get()).toEqual({ kind: "out", why: null });
});

test("who signs in for the first time chooses a password", async () => {
  const { session, calls } = await open(browser(), (name) =>
    name === "InitiateAuth"
      ? {
          status: 200,
          body: {
            ChallengeName: "NEW_PASSWORD_REQUIRED",
            Session: "s",
            ChallengeParameters: { USER_ID_FOR_SRP: "u-1", requiredAttributes: "[]" },
          },
        }
      : signedIn(ADA),
  );
  await session.signIn(ADA, "temporary");
  expect(session.state.get()).toEqual({ kind: "challenge", challenge: "new-password", email: ADA });
  await session.answer("Another-1-password");
  expect(session.state.get()).toEqual({ kind: "in", email: ADA });
  expect(calls[1]).toEqual([
    "RespondToAuthChallenge",
    {
      ClientId: "client",
      ChallengeName: "NEW_PASSWORD_REQUIRED",
      Session: "s",
      ChallengeResponses: { USERNAME: "u-1", NEW_PASSWORD: "Another-1-password" },
    },
  ]);
});

const TOTP = {
  status: 200,
  body: { ChallengeName: "SOFTWARE_TOKEN_MFA", Session: "s", ChallengeParameters: { USER_ID_FOR_SRP: "u-1" } },
};

test("who has an authenticator is asked for its code, and may mistype it", async () => {
  const { session } = await open(browser(), (name, given) => {
    if (name === "InitiateAuth") return TOTP;
    const { SOFTWARE_TOKEN_MFA_CODE: code } = given["ChallengeResponses"] as Record<string, string>;
    return code === "123456" ? signedIn(ADA) : refused("CodeMismatchException");
  });
  await session.signIn(ADA, "secret");
  await expect(session.answer("111111")).rejects.toMatchObject({ code: "wrong_code" });
  expect(session.state.get()).toMatchObject({ kind: "challenge", challenge: "totp" });
  await session.answer("123456");
  expect(session.state.get()).toEqual({ kind: "in", email: ADA });
});

test("a challenge that has waited too long leads back to signing in", async () => {
  const { session } = await open(browser(), (name) =>
    name === "InitiateAuth"
      ? TOTP
      : refused("NotAuthorizedException", "Invalid session for the user, session is expired."),
  );
  await session.signIn(ADA, "secret");
  await expect(session.answer("123456")).rejects.toMatchObject({ code: "challenge_over" });
  expect(session.state.get()).toEqual({ kind: "out", why: null });
});

test("a challenge that the page does not know is said", async () => {
  const { session } = await open(browser(), () => ({ status: 200, body: { ChallengeName: "SMS_MFA", Session: "s" } }));
  await expect(session.signIn(ADA, "secret")).rejects.toMatchObject({
    code: "challenge_unsupported",
    details: { challenge: "SMS_MFA" },
  });
});

test("a reload stays signed in, and asks nobody while the token is good", async () => {
  const { session, calls } = await open(browser(tokens(1)), () => signedIn(ADA));
  expect(session.state.get()).toEqual({ kind: "in", email: ADA });
  expect(await session.token()).toBe(idToken(ADA));
  expect(calls).toEqual([]);
});

test("in its last minutes a token is replaced, and the refresh token stays", async () => {
  const within = browser(tokens(28));
  const { session, calls } = await open(within, () => ({
    status: 200,
    body: { AuthenticationResult: { IdToken: idToken(ADA, 60) } },
  }));
  expect(await session.token()).toBe(idToken(ADA, 60));
  expect(within.entry()).toMatchObject({ id: idToken(ADA, 60), refresh: "refresh" });
  expect(calls).toEqual([
    [
      "InitiateAuth",
      { ClientId: "client", AuthFlow: "REFRESH_TOKEN_AUTH", AuthParameters: { REFRESH_TOKEN: "refresh" } },
    ],
  ]);
});

test("a token that the API refuses is replaced, however good it looks", async () => {
  const { session, calls } = await open(browser(tokens(1)), () => signedIn(ADA, 60));
  expect(await session.token(idToken(ADA))).toBe(idToken(ADA, 60));
  expect(calls).toHaveLength(1);
});

test("where a fresh token is refused as well, the session is over", async () => {
  const { session } = await open(browser(tokens(1)), () => signedIn(ADA, 60));
  const fresh = await session.token(idToken(ADA));
  await expect(session.token(fresh)).rejects.toMatchObject({ code: "session_expired" });
  expect(session.state.get()).toEqual({ kind: "out", why: "expired" });
});

test("two tabs refresh once", async () => {
  const within = browser(tokens(40));
  const { session, calls, config } = await open(within, () => signedIn(ADA, 60));
  const other = createSession(config, within.tab());
  expect(await Promise.all([session.token(), other.token(), session.token()])).toEqual(Array(3).fill(idToken(ADA, 60)));
  expect(calls).toHaveLength(1);
});

test("a refresh token that has ended ends the session, in all tabs and over a reload", async () => {
  const within = browser(tokens(40));
  const { session, config } = await open(within, () => refused("NotAuthorizedException", "Refresh Token has expired"));
  const other = createSession(config, within.tab());
  await expect(session.token()).rejects.toMatchObject({ code: "session_expired" });
  for (const one of [session, other, createSession(config, within.tab())]) {
    expect(one.state.get()).toEqual({ kind: "out", why: "expired" });
  }
});

test.each<[string, Reply, string]>([
  ["no line", "broken", "offline"],
  ["Cognito's own trouble", { status: 500, body: { __type: "InternalErrorException" } }, "service_unavailable"],
  ["too many at once", refused("TooManyRequestsException"), "too_many_requests"],
])("%s does not sign out", async (_, reply, code) => {
  const { session } = await open(browser(tokens(40)), () => reply);
  await expect(session.token()).rejects.toMatchObject({ code });
  expect(session.state.get()).toEqual({ kind: "in", email: ADA });
});

test("while Cognito cannot be asked, the old token serves to its end", async () => {
  const { session } = await open(browser(tokens(28)), () => "broken");
  expect(await session.token()).toBe(idToken(ADA));
});

test("signing out is at once, in all tabs, and Cognito is told", async () => {
  const within = browser(tokens(1));
  const { session, calls, config } = await open(within, () => ({ status: 200, body: {} }));
  const other = createSession(config, within.tab());
  await session.signOut();
  expect(within.entry()).toBeNull();
  for (const one of [session, other]) expect(one.state.get()).toEqual({ kind: "out", why: "signed-out" });
  expect(calls).toEqual([["RevokeToken", { ClientId: "client", Token: "refresh" }]]);
});

test("signing out works without a line", async () => {
  const { session } = await open(browser(tokens(1)), () => "broken");
  await session.signOut();
  expect(session.state.get()).toEqual({ kind: "out", why: "signed-out" });
});

test("who signs out in mid-refresh stays signed out", async () => {
  const within = browser(tokens(40));
  const { session } = await open(within, () => {
    within.put(null);
    return signedIn(ADA, 60);
  });
  await expect(session.token()).rejects.toMatchObject({ code: "signed_out" });
  expect(within.entry()).toBeNull();
});

test("who signs in in one tab is signed in in the others", async () => {
  const within = browser();
  const { session, config } = await open(within, () => signedIn(ADA));
  const other = createSession(config, within.tab());
  await session.signIn(ADA, "secret");
  expect(other.state.get()).toEqual({ kind: "in", email: ADA });
});

test("a forgotten password is changed with a code", async () => {
  const { session, calls } = await open(browser(), () => ({
    status: 200,
    body: { CodeDeliveryDetails: { Destination: "a***@e***", DeliveryMedium: "EMAIL" } },
  }));
  expect(await session.forgot(ADA)).toBe("a***@e***");
  await session.changeForgotten(ADA, "654321", "Another-1-password");
  expect(calls).toEqual([
    ["ForgotPassword", { ClientId: "client", Username: ADA }],
    [
      "ConfirmForgotPassword",
      { ClientId: "client", Username: ADA, ConfirmationCode: "654321", Password: "Another-1-password" },
    ],
  ]);
});
