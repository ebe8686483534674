/** The rules that the pool has for passwords, in words. Asks nobody. */

// `Policies` of the user pool in infra/foundation.yaml; the symbols are those that Cognito counts, blanks within among them,
// https://docs.aws.amazon.com/cognito/latest/developerguide/managing-users-passwords.html.
const LEAST = 12;
const RULES: readonly (readonly [string, RegExp])[] = [
  [`at least ${LEAST} characters`, new RegExp(`.{${LEAST}}`, "su")],
  ["a lower-case letter", /[a-z]/],
  ["an upper-case letter", /[A-Z]/],
  ["a digit", /[0-9]/],
  ["a symbol", /\S \S|[\^$*.[\]{}()?"!@#%&/\\,><':;|_~`=+-]/],
];

export const PASSWORD_RULES =
  "At least 12 characters, with a lower-case and an upper-case letter, a digit and a symbol.";

/** What a password still needs, such as `["a digit", "a symbol"]`. */
export function lackingIn(password: string): readonly string[] {
  return RULES.filter(([, rule]) => !rule.test(password)).map(([words]) => words);
}
