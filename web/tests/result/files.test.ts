import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFiles, PHOTO, type Files } from "../../src/result/files";
import { createStore, type Store } from "../../src/store";
import type { Schemas } from "../../src/types";

type Job = Schemas["Job"];

let server: Server;
let asked: string[];
let answer: (link: string, response: ServerResponse) => void;
let store: Store<Job>;
let refreshed: number;
let gone: AbortController;
let files: Files;

/** A job whose links end in a number, as signed links end in a time. */
function job(link: number): Job {
  const { port } = server.address() as AddressInfo;
  const url = (name: string): string => `http://127.0.0.1:${port}/${name}?${link}`;
  const file = (name: string): Schemas["File"] => ({ name, bytes: 3, media_type: null, url: url(name) });
  const objects = [{ index: 0, label: null, status: "succeeded", files: [file("object-0.glb")], error: null }] as const;
  return { image_url: url("image"), objects, files: [file("scene.glb")] } as unknown as Job;
}

beforeEach(async () => {
  asked = [];
  answer = (_, response) => response.end("abc");
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    answer(request.url ?? "", response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  store = createStore(job(1));
  refreshed = 0;
  gone = new AbortController();
  const refresh = async (): Promise<void> => {
    refreshed += 1;
    await Promise.resolve();
    store.set(job(1 + refreshed));
  };
  files = createFiles(store, refresh, gone.signal);
});

afterEach(() => {
  gone.abort();
  server.closeAllConnections();
  server.close();
});

describe("a file", () => {
  it("comes by its name, be it an object's, the job's or the photo", async () => {
    for (const name of ["object-0.glb", "scene.glb", PHOTO]) {
      expect(await (await files.blob(name)).text()).toBe("abc");
    }
    expect(asked).toEqual(["/object-0.glb?1", "/scene.glb?1", "/image?1"]);
  });

  it("is fetched once, however new its link is", async () => {
    const first = await files.blob("scene.glb");
    store.set(job(9));
    expect(await files.blob("scene.glb")).toBe(first);
    expect(asked).toHaveLength(1);
  });

  it("tells how much of it is there", async () => {
    const loaded: number[] = [];
    await files.blob("scene.glb", (bytes) => loaded.push(bytes));
    expect(loaded.at(-1)).toBe(3);
  });
});

describe("an expired link", () => {
  beforeEach(() => {
    answer = (link, response) => {
      if (link.endsWith("?1")) response.writeHead(403);
      response.end("abc");
    };
  });

  it("is replaced by a fresh one, once for all the files that ask", async () => {
    const blobs = await Promise.all([files.blob("scene.glb"), files.blob("object-0.glb"), files.blob(PHOTO)]);
    expect(await Promise.all(blobs.map((blob) => blob.text()))).toEqual(["abc", "abc", "abc"]);
    expect(refreshed).toBe(1);
  });

  it("is not asked for again where a fresh one came meanwhile", async () => {
    answer = (link, response) => {
      if (link.endsWith("?1")) {
        store.set(job(5));
        response.writeHead(403);
      }
      response.end("abc");
    };
    await files.blob("scene.glb");
    expect(refreshed).toBe(0);
    expect(asked).toEqual(["/scene.glb?1", "/scene.glb?5"]);
  });

  it("is given up where the fresh one is refused as well: the file is gone", async () => {
    answer = (_, response) => response.writeHead(403).end();
    await expect(files.blob("scene.glb")).rejects.toMatchObject({ code: "file_gone" });
    expect(refreshed).toBe(1);
  });
});

describe("a file that does not come", () => {
  it("is gone where the job no longer names it", async () => {
    await expect(files.blob("object-7.glb")).rejects.toMatchObject({ code: "file_gone" });
  });

  it.each([500, 503])("can be asked for again after a %d", async (status) => {
    answer = (_, response) => response.writeHead(status).end();
    await expect(files.blob("scene.glb")).rejects.toMatchObject({ code: "file_not_loaded", status });
    answer = (_, response) => response.end("abc");
    expect(await (await files.blob("scene.glb")).text()).toBe("abc");
  });

  it("can be asked for again after the connection broke in the middle of it", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("ab", () => response.destroy());
    };
    await expect(files.blob("scene.glb", () => undefined)).rejects.toMatchObject({ code: "file_not_loaded" });
    answer = (_, response) => response.end("abc");
    expect(await (await files.blob("scene.glb")).text()).toBe("abc");
  });

  it("is no problem to speak of where nobody wants it any more", async () => {
    answer = () => gone.abort();
    await expect(files.blob("scene.glb")).rejects.toMatchObject({ name: "AbortError" });
  });
});
