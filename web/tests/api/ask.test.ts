import * as v from "valibot";
import { afterEach, expect, test } from "vitest";

import { ask, checked, patiently, problemIn } from "../../src/api/ask";
import { Problem, problemOf } from "../../src/api/problem";
import { serving, type Server } from "./server";

let server: Server | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const at_once = () => Promise.resolve();

test("an answer is its status and its JSON", async () => {
  server = await serving(() => ({ status: 201, body: { id: "a" } }));
  expect(await ask(`${server.origin}/jobs`)).toEqual({ status: 201, body: { id: "a" } });
});

test("what is no JSON is no body", async () => {
  server = await serving(() => ({ status: 502, text: "<html>Bad gateway</html>" }));
  expect(await ask(server.origin)).toEqual({ status: 502, body: undefined });
});

test("where nobody listens the page is offline", async () => {
  server = await serving(() => ({ status: 200 }));
  const { origin } = server;
  await server.close();
  await expect(ask(origin)).rejects.toMatchObject({ code: "offline", status: null });
});

test("a broken connection is offline too", async () => {
  server = await serving(() => "broken");
  await expect(ask(server.origin)).rejects.toMatchObject({ code: "offline" });
});

test("what its asker stops is rejected with the signal's reason", async () => {
  const controller = new AbortController();
  server = await serving(() => {
    controller.abort();
    return "silent";
  });
  const stopped: unknown = await ask(server.origin, { signal: controller.signal }).catch((thrown: unknown) => thrown);
  expect(stopped).toBe(controller.signal.reason);
  expect(problemOf(stopped).code).toBe("aborted");
});

test("reading goes on where the service stumbles", async () => {
  const answers = [503, 429, 200];
  let asked = 0;
  const found = await patiently(
    () => {
      const status = answers[asked++] ?? 500;
      return status === 200 ? Promise.resolve("here") : Promise.reject(problemIn({ status, body: undefined }));
    },
    undefined,
    at_once,
  );
  expect([found, asked]).toEqual(["here", 3]);
});

test("reading ends with the fourth failure", async () => {
  let asked = 0;
  const tried = patiently(
    () => {
      asked += 1;
      return Promise.reject(new Problem("offline", "No line."));
    },
    undefined,
    at_once,
  );
  await expect(tried).rejects.toMatchObject({ code: "offline" });
  expect(asked).toBe(4);
});

test("what the service means is not asked for again", async () => {
  let asked = 0;
  const tried = patiently(
    () => {
      asked += 1;
      return Promise.reject(new Problem("job_not_found", "There is none.", {}, 404));
    },
    undefined,
    at_once,
  );
  await expect(tried).rejects.toMatchObject({ code: "job_not_found" });
  expect(asked).toBe(1);
});

test("a pause ends when it is stopped", async () => {
  const controller = new AbortController();
  const tried = patiently(() => {
    controller.abort();
    return Promise.reject(new Problem("offline", "No line."));
  }, controller.signal);
  await expect(tried).rejects.toBe(controller.signal.reason);
});

test("the service's own errors keep their code, words and details", () => {
  const body = { error: { code: "too_many_boxes", message: "At most 8.", details: { most: 8 } } };
  expect(problemIn({ status: 422, body })).toMatchObject({
    code: "too_many_boxes",
    message: "At most 8.",
    details: { most: 8 },
    status: 422,
  });
});

test.each([
  [401, "unauthorized"],
  [429, "too_many_requests"],
  [500, "service_unavailable"],
  [503, "service_unavailable"],
  [413, "request_too_large"],
  [404, "request_refused"],
])("what the gateway says for itself with %i becomes %s", (status, code) => {
  expect(problemIn({ status, body: { message: "Whatever" } })).toMatchObject({ code, status });
});

test("an answer of another shape is not used", () => {
  const schema = v.object({ id: v.string() });
  expect(checked(schema, { status: 200, body: { id: "a", more: 1 } })).toEqual({ id: "a" });
  expect(() => checked(schema, { status: 200, body: { id: 1 } })).toThrow(
    expect.objectContaining({ code: "unexpected_answer" }),
  );
});

test("what nobody saw coming is a mistake of the page, and keeps its cause", () => {
  const cause = new TypeError("x is undefined");
  expect(problemOf(cause)).toMatchObject({ code: "page_failed", cause });
});
