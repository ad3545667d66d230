import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import { chunksOf, sendInChunks, type SendChunk } from "../../../publishers/registry/chunked-upload.ts";
import type { HttpReply } from "../../../publishers/registry/registry-http.ts";

const BLOB = Buffer.from("abcdefghijklmnopqrstuvwxyz");
const reply = (status: number, headers: HttpReply["headers"] = {}): HttpReply => ({
  status,
  headers,
  body: Buffer.alloc(0),
});

/** A registry that keeps what came, also of a piece that broke. */
class Uploads {
  kept = Buffer.alloc(0);
  readonly asked: string[] = [];
  blob: Buffer | undefined;
  /** Asked before each request; bytes of its body that are kept before it breaks. */
  breakAfter: (method: string, count: number) => number | undefined = () => undefined;

  readonly send: SendChunk = ({ method, headers = {}, body = Buffer.alloc(0) }) => {
    this.asked.push(`${method} ${headers["content-range"] ?? ""}`.trim());
    const broken = this.breakAfter(method, this.asked.length);
    const answer = this.#answer(method, Buffer.from(body.subarray(0, broken)));
    return broken === undefined ? Promise.resolve(answer) : Promise.reject(new Error("ECONNRESET"));
  };

  #answer(method: string, body: Buffer): HttpReply {
    if (method === "HEAD") return reply(this.blob ? 200 : 404);
    if (method === "PUT") this.blob = this.kept;
    if (method === "PUT") return reply(201);
    this.kept = Buffer.concat([this.kept, body]);
    const range = `0-${Math.max(0, this.kept.length - 1)}`;
    return reply(method === "GET" ? 204 : 202, { location: `/upload?at=${this.kept.length}`, range });
  }
}

async function* pieces(): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < BLOB.length; at += 3) yield await Promise.resolve(BLOB.subarray(at, at + 3));
}

const upload = (uploads: Uploads, send: SendChunk = uploads.send): ReturnType<typeof sendInChunks> =>
  sendInChunks({
    ...{ host: "quay.io", repository: "org/node", digest: sha256(BLOB), location: "/upload", send },
    ...{ chunks: chunksOf(pieces(), 10), deadlineMs: 10_000, patienceMs: 5_000, now: () => 0 },
    signal: new AbortController().signal,
  });

describe("an upload in pieces", () => {
  it("names the range of each piece, and the digest at its end", async () => {
    const uploads = new Uploads();
    const ended = await upload(uploads);
    assert.deepEqual("reply" in ended && ended.reply.status, 201);
    assert.deepEqual(uploads.asked, ["PATCH 0-9", "PATCH 10-19", "PATCH 20-25", "PUT"]);
    assert.deepEqual(uploads.blob, BLOB);
  });

  it("sends of a piece that broke only what did not arrive", async () => {
    const uploads = new Uploads();
    uploads.breakAfter = (method, count) => (method === "PATCH" && count === 2 ? 4 : undefined);
    await upload(uploads);
    assert.deepEqual(uploads.asked, ["PATCH 0-9", "PATCH 10-19", "GET", "PATCH 14-19", "PATCH 20-25", "PUT"]);
    assert.deepEqual(uploads.blob, BLOB);
  });

  it("does not send a piece again whose answer alone was lost, nor the end", async () => {
    const uploads = new Uploads();
    uploads.breakAfter = (_method, count) => ([1, 5].includes(count) ? 10 : undefined);
    await upload(uploads);
    assert.deepEqual(uploads.asked, ["PATCH 0-9", "GET", "PATCH 10-19", "PATCH 20-25", "PUT", "HEAD"]);
    assert.deepEqual(uploads.blob, BLOB);
  });

  it("gives the first piece back when the registry takes none", async () => {
    const ended = await upload(new Uploads(), () => Promise.resolve(reply(416)));
    assert.deepEqual("notTaken" in ended && ended.notTaken, BLOB.subarray(0, 10));
  });

  it("ends when the registry has less than it had", async () => {
    const uploads = new Uploads();
    uploads.breakAfter = (method, count) => {
      if (method === "GET") uploads.kept = Buffer.alloc(0);
      return method === "PATCH" && count === 2 ? 4 : undefined;
    };
    await assert.rejects(upload(uploads), { name: "UploadLost" });
  });
});
