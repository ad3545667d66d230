import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { httpGet } from "../../../src/base/http-request.ts";

const BYTES = 1_000_000;

describe("HTTP request", () => {
  it("reads to the end what a server sent before it closed the connection", async () => {
    // As simple static servers answer; the fetch of Node 22 and 24 ends the process when reading lags behind.
    const server = createServer((connection) => {
      connection.on("error", () => undefined);
      connection.once("data", () => {
        connection.write(`HTTP/1.0 200 OK\r\nContent-Length: ${String(BYTES)}\r\n\r\n`);
        connection.end(Buffer.alloc(BYTES));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/file`;
      for (let time = 0; time < 10; time += 1) {
        const answer = await httpGet({ url, signal: new AbortController().signal, idleMs: 10_000 });
        let bytes = 0;
        for await (const piece of answer.pieces()) {
          bytes += piece.length;
          await delay(1);
        }
        assert.equal(bytes, BYTES);
      }
    } finally {
      server.close();
    }
  });
});
