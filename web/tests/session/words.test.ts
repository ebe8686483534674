import { expect, test } from "vitest";

import { cognitoProblem } from "../../src/session/cognito";
import { entryIn } from "../../src/session/kept";
import { lackingIn } from "../../src/session/password";
import { arrivedTokens, emailIn, isFresh } from "../../src/session/tokens";
import { idToken } from "./cognito";

test.each([
  ["NotAuthorizedException", "Incorrect username or password.", "wrong_password"],
  ["NotAuthorizedException", "Password attempts exceeded", "too_many_tries"],
  ["NotAuthorizedException", "User is disabled.", "user_disabled"],
  [
    "NotAuthorizedException",
    "Temporary password has expired and must be reset by an administrator.",
    "temporary_password_over",
  ],
  ["NotAuthorizedException", "Invalid session for the user, session is expired.", "challenge_over"],
  ["NotAuthorizedException", "User password cannot be reset in the current state.", "password_not_reset"],
  ["UserNotFoundException", "User does not exist.", "wrong_password"],
  ["PasswordResetRequiredException", "Password reset required for the user", "password_reset_required"],
  ["UserNotConfirmedException", "User is not confirmed.", "user_unconfirmed"],
  ["com.amazonaws.cognito#CodeMismatchException", "Invalid code received for user", "wrong_code"],
  ["ExpiredCodeException", "Invalid code provided, please request a code again.", "code_over"],
  ["ExpiredCodeException", "Your software token has already been used once.", "code_over"],
  ["InvalidPasswordException", "Password did not conform with policy: Password not long enough", "weak_password"],
  ["InvalidParameterException", "1 validation error detected: Value at 'password' failed …", "weak_password"],
  [
    "InvalidParameterException",
    "Cannot reset password for the user as there is no registered/verified email or phone_number",
    "email_unverified",
  ],
  ["LimitExceededException", "Attempt limit exceeded, please try after some time.", "too_many_tries"],
  ["TooManyRequestsException", "", "too_many_requests"],
])("Cognito's %s (%s) is %s", (__type, message, code) => {
  expect(cognitoProblem({ status: 400, body: { __type, message } }).code).toBe(code);
});

test("an error that the page does not know is shown in Cognito's words", () => {
  const body = { __type: "InvalidUserPoolConfigurationException", message: "The pool is odd." };
  expect(cognitoProblem({ status: 400, body })).toMatchObject({ code: "sign_in_refused", message: "The pool is odd." });
});

test.each([
  ["", ["at least 12 characters", "a lower-case letter", "an upper-case letter", "a digit", "a symbol"]],
  ["aaaaaaaaaaaa", ["an upper-case letter", "a digit", "a symbol"]],
  ["Aa1-Aa1-Aa1", ["at least 12 characters"]],
  ["Aa1-Aa1-Aa1-", []],
  [" Aa1Aa1Aa1Aa1 ", ["a symbol"]],
  ["Aa1 Aa1 Aa1 Aa1", []],
  ["Ää1-Ää1-Ää1-", ["a lower-case letter", "an upper-case letter"]],
])("the password %j needs %j", (password, lacking) => {
  expect(lackingIn(password)).toEqual(lacking);
});

test("a token is good for as long as it says, from when it came, whatever the clock shows", () => {
  const wrongClock = Date.parse("1999-01-01");
  const tokens = arrivedTokens(idToken("ada@example.com", 1_800_000_000, 1800), "refresh", wrongClock);
  expect(tokens.until).toBe(wrongClock + 1_800_000);
  expect(isFresh(tokens, wrongClock + 26 * 60_000)).toBe(true);
  expect(isFresh(tokens, wrongClock + 27 * 60_000)).toBe(false);
});

test("an address may hold any letters", () => {
  expect(emailIn(arrivedTokens(idToken("adä@exämple.com"), "refresh", 0))).toBe("adä@exämple.com");
});

test.each(["", "a.b", "a.!.c", `a.${btoa("{}")}.c`])("%j is no token", (id) => {
  expect(() => arrivedTokens(id, "refresh", 0)).toThrow(expect.objectContaining({ code: "unexpected_answer" }));
});

test("what is kept is read again", () => {
  const tokens = arrivedTokens(idToken("ada@example.com"), "refresh", 0);
  expect(entryIn(JSON.stringify(tokens))).toEqual(tokens);
  expect(entryIn(JSON.stringify("expired"))).toBe("expired");
});

test.each(["", "{", "null", '{"id":"a.b.c","refresh":"r","until":1}', '{"refresh":"r"}'])(
  "what is kept and cannot be read counts as not there: %j",
  (text) => {
    expect(entryIn(text)).toBeNull();
  },
);
