/** An HTTP server on 127.0.0.1 that answers as a test says, and remembers what it was asked. Knows no API. */

import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is answered; or that the connection breaks, or is cut in the middle of the body, or nothing ever comes. */
export type Reply =
  { readonly status: number; readonly body?: unknown; readonly text?: string } | "broken" | "cut" | "silent";

export interface Server {
  readonly origin: string;
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

export async function serving(reply: (asked: Asked) => Reply): Promise<Server> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => {
      body += part;
    });
    request.on("end", () => {
      const one = { method: request.method ?? "", path: request.url ?? "", headers: request.headers, body };
      asked.push(one);
      const given = reply(one);
      if (given === "silent") return;
      if (given === "broken") {
        request.socket.destroy();
        return;
      }
      if (given === "cut") {
        response.writeHead(200, { "Content-Length": 1000 });
        response.write("a beginning", () => request.socket.destroy());
        return;
      }
      response.writeHead(given.status, { "Content-Type": "application/json" });
      response.end(given.text ?? (given.body === undefined ? "" : JSON.stringify(given.body)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
