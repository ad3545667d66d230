import { KvciError } from "../../src/core/error.ts";
import type { SessionState, Storage, StoredObject } from "../../src/gcp/storage.ts";
import { retrying } from "../../src/publish/retry.ts";
import { Crc32c } from "./crc32c.ts";
import { judgeChunk, type RetryPace } from "../../src/gcp/gcp-caller.ts";
import type { Checksum } from "./packed-disk.ts";
import { cutInto, Ring } from "./parallel-gzip.ts";

/** Whole multiples of 256 KiB; larger ones wait less for answers, and memory holds four. */
export const CHUNK_BYTES = 8 * 1024 * 1024;
/** A session that is lost over and over does not come to an end; neither does one that keeps nothing of what it is sent. */
const MOST_SESSIONS = 3;
const MOST_IN_VAIN = 5;

export interface UploadPorts {
  /** One attempt for each call. */
  readonly storage: Pick<Storage, "putChunk" | "sessionState">;
  /** A new session; forgets the one before. */
  readonly startSession: () => Promise<string>;
  /** The session of an earlier run. */
  readonly session: string | undefined;
  /** The same bytes whenever it is called. */
  readonly bytes: () => AsyncIterable<Uint8Array>;
  /** Called once they were all made, before the last of them is sent. */
  readonly onChecksum: (checksum: Checksum) => Promise<void>;
  readonly onProgress: (persistedBytes: number) => void;
  readonly pace: RetryPace;
  readonly signal: AbortSignal;
}

interface Chunk {
  readonly offset: number;
  readonly data: Buffer;
  readonly isLast: boolean;
}

/**
 * Sends a stream whose bytes can be made again through an upload session: after a break, the service says what it has, the stream
 * is made anew and what is there already is passed over. The next chunk is made while one is sent.
 *
 * @throws {KvciError} what the stream throws, before its last chunk is sent; `publish-throttled`, `publish-failed`,
 *   `publish-denied`, `interrupted`
 */
export async function uploadChunks(ports: UploadPorts): Promise<StoredObject> {
  let state: SessionState = { kind: "gone" };
  let session = ports.session ?? "";
  if (ports.session !== undefined) state = await ask(session, ports);
  for (let begun = 0; ;) {
    if (state.kind === "done") return state.object;
    if (state.kind === "gone") {
      if (begun === MOST_SESSIONS) throw lost(`was lost ${MOST_SESSIONS} times`);
      begun += 1;
      session = await ports.startSession();
      state = { kind: "open", persistedBytes: 0 };
    }
    state = await new Sending(session, state.persistedBytes, ports).end();
  }
}

async function ask(session: string, { storage, pace, signal }: UploadPorts): Promise<SessionState> {
  const what = "ask how far the upload is";
  return retrying(() => storage.sessionState(session), { what, ...pace, signal, classify: judgeChunk });
}

/** One reading of the stream into one session. */
class Sending {
  readonly #session: string;
  readonly #ports: UploadPorts;
  #persisted: number;

  constructor(session: string, persisted: number, ports: UploadPorts) {
    this.#session = session;
    this.#persisted = persisted;
    this.#ports = ports;
  }

  /** @returns `done` with the object, or the state in which another reading has to begin. */
  async end(): Promise<SessionState> {
    this.#ports.onProgress(this.#persisted);
    for await (const chunk of ahead(chunksOf(this.#ports))) {
      const state = await this.#send(chunk);
      if (state) return state;
    }
    throw new KvciError("internal", "an upload ended without its last chunk", { hint: "Report this." });
  }

  /** Until the session has the whole chunk. @returns undefined when the next chunk is to follow. */
  async #send({ offset, data, isLast }: Chunk): Promise<SessionState | undefined> {
    const end = offset + data.length;
    for (let inVain = 0; this.#persisted < end || isLast;) {
      // The session has less than it said before: the bytes are to be made again.
      if (this.#persisted < offset) return { kind: "open", persistedBytes: this.#persisted };
      const state = await this.#put(data.subarray(this.#persisted - offset), isLast ? end : undefined);
      if (state.kind !== "open") return state;
      inVain = state.persistedBytes > this.#persisted ? 0 : inVain + 1;
      if (inVain === MOST_IN_VAIN) throw lost(`answered ${MOST_IN_VAIN} chunks without keeping any of them`);
      this.#persisted = state.persistedBytes;
      this.#ports.onProgress(this.#persisted);
    }
    return undefined;
  }

  /** After a failure nobody knows what arrived, so the session is asked before anything is sent again. */
  async #put(data: Buffer, totalBytes: number | undefined): Promise<SessionState> {
    const { storage, pace, signal } = this.#ports;
    const offset = this.#persisted;
    let failed = false;
    const attempt = async (): Promise<SessionState> => {
      if (failed) {
        const state = await storage.sessionState(this.#session);
        if (state.kind !== "open" || state.persistedBytes !== offset) return state;
      }
      failed = true;
      return storage.putChunk(this.#session, { offset, data, ...(totalBytes === undefined ? {} : { totalBytes }) });
    };
    return retrying(attempt, { what: "send a chunk of the upload", ...pace, signal, classify: judgeChunk });
  }
}

/** The last chunk is known to be the last, and comes only when its stream has ended well. */
async function* chunksOf({ bytes, onChecksum }: UploadPorts): AsyncGenerator<Chunk, void, undefined> {
  const crc = new Crc32c();
  // One is sent while the next is filled, and one is held until it is known whether it is the last.
  const cut = cutInto(bytes(), new Ring(CHUNK_BYTES, 3));
  let offset = 0;
  let held = await cut.next();
  for (;;) {
    const data = held.done ? Buffer.alloc(0) : held.value;
    crc.update(data);
    const next = held.done ? held : await cut.next();
    const isLast = next.done === true;
    if (isLast) await onChecksum({ crc32c: crc.base64(), bytes: offset + data.length });
    yield { offset, data, isLast };
    if (isLast) return;
    offset += data.length;
    held = next;
  }
}

/** Begins to make the next one while the one before is looked at. */
async function* ahead<T>(source: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  try {
    let next = source.next();
    for (;;) {
      const { value, done } = await next;
      if (done) return;
      next = source.next();
      next.catch(() => undefined);
      yield value;
    }
  } finally {
    await source.return();
  }
}

/** Makes a stream for its checksum alone. */
export async function checksumOf(bytes: AsyncIterable<Uint8Array>): Promise<Checksum> {
  const crc = new Crc32c();
  let length = 0;
  for await (const piece of bytes) {
    crc.update(piece);
    length += piece.length;
  }
  return { crc32c: crc.base64(), bytes: length };
}

function lost(how: string): KvciError {
  return new KvciError("publish-failed", `the upload's session ${how}`, {
    hint: "See the service's status page, then run the same command again.",
  });
}
