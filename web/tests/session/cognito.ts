/** Cognito's side of the calls, on 127.0.0.1, answering as a test says. */

import { serving, type Reply } from "../api/server";

export type Call = Readonly<Record<string, unknown>>;

export interface CognitoServer {
  readonly config: { readonly stage: string; readonly cognito: string; readonly clientId: string };
  /** The calls' names, and what they were given. */
  readonly calls: readonly (readonly [string, Call])[];
  close(): Promise<void>;
}

export async function cognitoServer(reply: (name: string, given: Call) => Reply): Promise<CognitoServer> {
  const calls: (readonly [string, Call])[] = [];
  const server = await serving(({ headers, body }) => {
    const name = String(headers["x-amz-target"]).replace("AWSCognitoIdentityProviderService.", "");
    const given = JSON.parse(body) as Call;
    calls.push([name, given]);
    return reply(name, given);
  });
  return { config: { stage: "test", cognito: server.origin, clientId: "client" }, calls, close: () => server.close() };
}

/** An ID token that is good for this many seconds from when it was made. */
export function idToken(email: string, made = 0, seconds = 1800): string {
  const coded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${coded({ alg: "RS256" })}.${coded({ email, iat: made, exp: made + seconds })}.signature`;
}

export function signedIn(email: string, made = 0): Reply {
  return { status: 200, body: { AuthenticationResult: { IdToken: idToken(email, made), RefreshToken: "refresh" } } };
}

export function refused(type: string, message = ""): Reply {
  return { status: 400, body: { __type: type, message } };
}
