import { afterEach, expect, test } from "vitest";

import { bytesAt } from "../../src/api/bytes";
import { serving, type Reply, type Server } from "./server";

let server: Server | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function bytesOf(reply: Reply): Promise<Blob | null> {
  server = await serving(() => reply);
  return bytesAt(`${server.origin}/photo`);
}

test("a file comes whole", async () => {
  expect(await (await bytesOf({ status: 200, text: "bytes" }))?.text()).toBe("bytes");
});

test("a link that works no more gives none", async () => {
  expect(await bytesOf({ status: 403 })).toBeNull();
});

test.each(["broken", "cut"] as const)("a connection that is %s is told of as such", async (reply) => {
  await expect(bytesOf(reply)).rejects.toMatchObject({ code: "offline" });
});
