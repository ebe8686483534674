import { afterEach, expect, test } from "vitest";

import { createJobsApi } from "../../src/api/jobs";
import { Problem } from "../../src/api/problem";
import { serving, type Reply, type Server } from "./server";

let server: Server | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const ID = "8234567890123-0123456789abcdef";
const CHANGED = { schema_version: "1.0", id: ID, status: "cancelled" };
const PAGE = { schema_version: "1.0", jobs: [], next: null };

/** The API behind a server that gives these answers one after the other, and the last for ever. */
async function api(
  replies: readonly Reply[],
  token: (refused?: string) => Promise<string> = () => Promise.resolve("t"),
) {
  let count = 0;
  server = await serving(() => replies[Math.min(count++, replies.length - 1)] ?? "broken");
  const jobs = createJobsApi(token, { origin: server.origin, pause: () => Promise.resolve() });
  return { jobs, asked: server.asked };
}

test("each question carries the token", async () => {
  const { jobs, asked } = await api([{ status: 200, body: PAGE }]);
  await jobs.list("a/b");
  expect(asked[0]).toMatchObject({
    method: "GET",
    path: "/api/jobs?cursor=a%2Fb",
    headers: { authorization: "Bearer t" },
  });
});

test("a new job is sent as JSON", async () => {
  const upload = { url: "https://s3/", fields: { key: "k", policy: "p" }, expires_at: "2026-01-01T00:00:00.000Z" };
  const { jobs, asked } = await api([
    { status: 201, body: { schema_version: "1.3", id: ID, status: "waiting", upload } },
  ]);
  const job = {
    boxes: [{ x_min: 0, y_min: 0, x_max: 9, y_max: 9 }],
    file: { name: "a.jpg", type: "image/jpeg", bytes: 7 },
  } as const;
  expect(await jobs.create(job)).toMatchObject({ id: ID, upload });
  expect(asked[0]).toMatchObject({
    method: "POST",
    path: "/api/jobs",
    headers: { "content-type": "application/json" },
  });
  expect(JSON.parse(asked[0]?.body ?? "")).toEqual(job);
});

test("a refused token is replaced once", async () => {
  const refusals: (string | undefined)[] = [];
  const { jobs, asked } = await api(
    [
      { status: 401, body: { message: "Unauthorized" } },
      { status: 200, body: CHANGED },
    ],
    (refused) => {
      refusals.push(refused);
      return Promise.resolve(refused === undefined ? "old" : "new");
    },
  );
  expect(await jobs.cancel(ID)).toEqual(CHANGED);
  expect(refusals).toEqual([undefined, "old"]);
  expect(asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer old", "Bearer new"]);
});

test("where the other is refused too, whoever gives tokens is told, and says what that means", async () => {
  const { jobs, asked } = await api([{ status: 401, body: { message: "Unauthorized" } }], (refused) =>
    refused === "new"
      ? Promise.reject(new Problem("session_expired", "Sign in again."))
      : Promise.resolve(refused === undefined ? "old" : "new"),
  );
  await expect(jobs.get(ID)).rejects.toMatchObject({ code: "session_expired" });
  expect(asked).toHaveLength(2);
});

test("reading is tried again", async () => {
  const { jobs, asked } = await api(["broken", { status: 503, body: { message: "…" } }, { status: 200, body: PAGE }]);
  expect(await jobs.list(null)).toEqual(PAGE);
  expect(asked).toHaveLength(3);
});

test.each(["cancel", "retry", "remove"] as const)("%s is not: its answer may be what was lost", async (name) => {
  const { jobs, asked } = await api(["broken"]);
  await expect(jobs[name](ID)).rejects.toMatchObject({ code: "offline" });
  expect(asked).toHaveLength(1);
});

test("removing wants no body back", async () => {
  const { jobs, asked } = await api([{ status: 204 }]);
  await jobs.remove(ID);
  expect(asked[0]).toMatchObject({ method: "DELETE", path: `/api/jobs/${ID}` });
});

test("an id is one part of the path, whatever is in it", async () => {
  const { jobs, asked } = await api([
    { status: 404, body: { error: { code: "job_not_found", message: "No.", details: {} } } },
  ]);
  await expect(jobs.get("../limits?a#b")).rejects.toMatchObject({ code: "job_not_found", status: 404 });
  expect(asked[0]?.path).toBe("/api/jobs/..%2Flimits%3Fa%23b");
});

test("fields that are new within 1.x are left out", async () => {
  const { jobs } = await api([{ status: 200, body: { ...PAGE, schema_version: "1.7", total: 3 } }]);
  expect(await jobs.list(null)).toEqual({ ...PAGE, schema_version: "1.7" });
});

test.each([{ ...PAGE, schema_version: "2.0" }, { ...PAGE, next: 7 }, { schema_version: "1.0" }, [], undefined])(
  "an answer of another shape is not used: %j",
  async (body) => {
    const { jobs } = await api([{ status: 200, body }]);
    await expect(jobs.list(null)).rejects.toMatchObject({ code: "unexpected_answer", status: 200 });
  },
);
