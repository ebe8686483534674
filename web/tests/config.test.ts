import { afterEach, expect, test } from "vitest";

import { loadConfig } from "../src/config";
import { serving, type Reply, type Server } from "./api/server";

let server: Server | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function load(reply: Reply) {
  server = await serving(() => reply);
  return await loadConfig({ origin: server.origin, pause: () => Promise.resolve() });
}

const CONFIG = {
  schema_version: "1.0",
  stage: "prod",
  cognito: "https://cognito-idp.eu-central-1.amazonaws.com/",
  client_id: "c",
  engine: "sam3d",
};

test("the page learns where it is", async () => {
  expect(await load({ status: 200, body: { ...CONFIG, more: 1 } })).toEqual({
    stage: "prod",
    cognito: "https://cognito-idp.eu-central-1.amazonaws.com",
    clientId: "c",
    engine: "sam3d",
  });
  expect(server?.asked[0]?.path).toBe("/config.json");
});

test.each<[Reply, string]>([
  [{ status: 403, text: "There is no such file." }, "request_refused"],
  [{ status: 503 }, "service_unavailable"],
  [{ status: 200, text: "<html></html>" }, "unexpected_answer"],
  [{ status: 200, body: { ...CONFIG, client_id: "" } }, "unexpected_answer"],
  [{ status: 200, body: { ...CONFIG, schema_version: "2.0" } }, "unexpected_answer"],
])("a configuration that is none is a Problem: %j", async (reply, code) => {
  await expect(load(reply)).rejects.toMatchObject({ code });
});
