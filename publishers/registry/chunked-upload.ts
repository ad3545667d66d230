import { KvciError } from "../../src/core/error.ts";
import { retrying, type Verdict } from "../../src/publish/retry.ts";
import { classifier, isPassing, passingAnswer } from "./registry-failure.ts";
import { headerOf, type HttpReply } from "./registry-http.ts";

/** One request to the registry, with its turn waited for; any answer is an answer. */
export type SendChunk = (request: {
  readonly method: "HEAD" | "GET" | "PATCH" | "PUT";
  /** Below `/v2/`, or a whole URL that the registry gave us. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}) => Promise<HttpReply>;

export interface ChunkedUpload {
  readonly host: string;
  readonly repository: string;
  readonly digest: string;
  /** Where the upload was begun: a path or a URL. */
  readonly location: string;
  /** The bytes, in chunks. */
  readonly chunks: AsyncIterable<Buffer>;
  readonly send: SendChunk;
  /** Milliseconds for throttling, and for other trouble. */
  readonly deadlineMs: number;
  readonly patienceMs: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** How it ended: by the registry's last answer, or at once because it takes no chunks, with the one that it did not take. */
export type ChunkedEnd = { readonly reply: HttpReply } | { readonly notTaken: Buffer };

/** An answer that ends the upload, whatever is tried. */
class ChunkRefused extends Error {
  override readonly name = "ChunkRefused";
  readonly reply: HttpReply;

  constructor(reply: HttpReply) {
    super(`HTTP ${reply.status}`);
    this.reply = reply;
  }
}

/** The registry does not know any more how far an upload was (docker-registry 2, when its answer to a piece was lost). */
class UploadLost extends Error {
  override readonly name = "UploadLost";

  constructor({ status }: HttpReply) {
    super(`an upload was lost: HTTP ${status}`);
  }
}

/**
 * Sends a blob piece by piece. After a break the registry is asked what it has, and only the rest of the piece is sent again: oras
 * would begin the blob anew, and some registries refuse a single request of many gigabytes.
 *
 * @throws {KvciError} `publish-throttled`, `publish-failed` past the deadlines; `interrupted`. Other errors mean: from the start.
 */
export async function sendInChunks(upload: ChunkedUpload): Promise<ChunkedEnd> {
  const sending = new Sending(upload);
  let isFirst = true;
  for await (const chunk of upload.chunks) {
    try {
      await sending.put(chunk);
    } catch (error) {
      if (!(error instanceof ChunkRefused)) throw error;
      return isFirst ? { notTaken: chunk } : { reply: error.reply };
    }
    isFirst = false;
  }
  return { reply: await sending.finish() };
}

class Sending {
  readonly #upload: ChunkedUpload;
  #location: string;
  /** Bytes that the registry has. */
  #done = 0;

  constructor(upload: ChunkedUpload) {
    this.#upload = upload;
    this.#location = upload.location;
  }

  async put(chunk: Buffer): Promise<void> {
    const [start, end] = [this.#done, this.#done + chunk.length];
    let isUnsure = false;
    await this.#retrying("a piece of a layer", async () => {
      if (isUnsure) this.#done = await this.#kept(start, end);
      if (this.#done === end) return;
      isUnsure = true;
      const headers = {
        "content-type": "application/octet-stream",
        "content-range": `${this.#done}-${end - 1}`,
      };
      const body = chunk.subarray(this.#done - start);
      const reply = await this.#send({ method: "PATCH", path: this.#location, headers, body });
      if (reply.status !== 202) throw new ChunkRefused(reply);
      this.#location = headerOf(reply, "location") ?? this.#location;
      this.#done = end;
    });
  }

  /** How many bytes arrived. @throws an error where the registry lost track: the bytes before this piece are not here any more. */
  async #kept(start: number, end: number): Promise<number> {
    const reply = await this.#send({ method: "GET", path: this.#location });
    const kept = keptBytes(headerOf(reply, "range"));
    if (reply.status !== 204 || kept < start || kept > end) throw new UploadLost(reply);
    this.#location = headerOf(reply, "location") ?? this.#location;
    return kept;
  }

  /** Has the registry take the upload as this blob. When an answer was lost, it may have done so before. */
  async finish(): Promise<HttpReply> {
    const { repository, digest } = this.#upload;
    let isUnsure = false;
    return this.#retrying("a layer", async () => {
      const blob = { method: "HEAD", path: `${repository}/blobs/${digest}` } as const;
      if (isUnsure && (await this.#send(blob)).status === 200) return CREATED;
      isUnsure = true;
      const headers = { "content-type": "application/octet-stream" };
      return this.#send({ method: "PUT", path: withDigest(this.#location, digest), headers, body: Buffer.alloc(0) });
    });
  }

  async #send(request: Parameters<SendChunk>[0]): Promise<HttpReply> {
    const { send, now, repository } = this.#upload;
    const reply = await send(request);
    if (isPassing(reply.status)) throw passingAnswer(`pushing to ${repository}`, reply, now());
    return reply;
  }

  #retrying<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { host, repository, deadlineMs, patienceMs, signal } = this.#upload;
    const judge = classifier(host, { patienceMs, clock: () => performance.now() });
    const classify = (error: unknown): Verdict =>
      FINAL.some((kind) => error instanceof kind) ? { kind: "final", error } : judge(error);
    return retrying(work, { what: `${host}: ${what} to ${repository}`, deadlineMs, signal, classify });
  }
}

/** `0-1023`; registries write `0-0` for an upload without a byte. */
function keptBytes(range = ""): number {
  const last = /^(?:bytes=)?0-(\d+)$/.exec(range)?.[1] ?? "0";
  return last === "0" ? 0 : Number(last) + 1;
}

/** What another try of the same request would not change. */
const FINAL = [ChunkRefused, UploadLost, KvciError];
const CREATED: HttpReply = { status: 201, headers: {}, body: Buffer.alloc(0) };

/** A Location may have a query of its own. */
export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes("?") ? "&" : "?"}digest=${encodeURIComponent(digest)}`;
}

/** Pieces of one length, the last as long as it is. */
export async function* chunksOf(
  pieces: AsyncIterable<Buffer>,
  chunkBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    for (let rest = piece; rest.length > 0;) {
      const part = rest.subarray(0, chunkBytes - size);
      held.push(part);
      size += part.length;
      rest = rest.subarray(part.length);
      if (size < chunkBytes) continue;
      yield Buffer.concat(held);
      [held, size] = [[], 0];
    }
  }
  if (size > 0) yield Buffer.concat(held);
}
