import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { GoogleError } from "../../../src/gcp/gcp-errors.ts";
import type { SessionState, StoredObject } from "../../../src/gcp/storage.ts";
import { Crc32c } from "../../../publishers/gcp/crc32c.ts";
import { CHUNK_BYTES, uploadChunks, type UploadPorts } from "../../../publishers/gcp/upload-chunks.ts";
import { pieces } from "./pieces.ts";

const MIB = 2 ** 20;
const data = randomBytes(2 * CHUNK_BYTES + MIB);

function trouble(status: number): GoogleError {
  return new GoogleError("trouble", { status, reason: "backendError", requestId: undefined, retryAfterMs: undefined });
}

/** A session that keeps what it is sent, and does as it is told with chosen chunks. */
class FakeSession {
  kept = Buffer.alloc(0);
  sentBytes = 0;
  asked = 0;
  begun = 0;
  gone = false;
  readonly tricks: (((chunk: Buffer) => SessionState) | undefined)[] = [];

  ports(given: Partial<UploadPorts> = {}): UploadPorts {
    return {
      storage: {
        sessionState: () => {
          this.asked += 1;
          return Promise.resolve(this.state());
        },
        putChunk: (_session, { offset, data: chunk, totalBytes }) =>
          this.#put(Buffer.from(chunk), { offset, totalBytes }),
      },
      startSession: () => {
        this.begun += 1;
        this.gone = false;
        this.kept = Buffer.alloc(0);
        return Promise.resolve("session");
      },
      session: undefined,
      bytes: () => pieces(data, [300_000]),
      onChecksum: () => Promise.resolve(),
      onProgress: () => undefined,
      pace: { baseMs: 1, deadlineMs: 2_000 },
      signal: new AbortController().signal,
      ...given,
    };
  }

  state(): SessionState {
    if (this.gone) return { kind: "gone" };
    if (this.kept.length === data.length) return { kind: "done", object: this.object() };
    return { kind: "open", persistedBytes: this.kept.length };
  }

  keep(chunk: Buffer): SessionState {
    this.kept = Buffer.concat([this.kept, chunk]);
    return this.state();
  }

  object(): StoredObject {
    const crc32c = new Crc32c().update(this.kept).base64();
    const size = String(this.kept.length);
    return { bucket: "b", name: "o", generation: "1", size, crc32c, timeCreated: "", metadata: {} };
  }

  async #put(
    chunk: Buffer,
    { offset, totalBytes }: { offset: number; totalBytes: number | undefined },
  ): Promise<SessionState> {
    assert.equal(offset, this.kept.length);
    if (totalBytes === undefined) assert.equal(chunk.length % (256 * 1024), 0);
    else assert.equal(offset + chunk.length, totalBytes);
    this.sentBytes += chunk.length;
    const trick = this.tricks.shift();
    return trick ? trick(chunk) : this.keep(chunk);
  }
}

describe("upload in chunks", () => {
  let session: FakeSession;
  beforeEach(() => (session = new FakeSession()));
  const arrived = (): void => assert.ok(session.kept.equals(data));

  it("sends every byte once, and tells the checksum before the last", async () => {
    let told = "";
    const onChecksum: UploadPorts["onChecksum"] = ({ crc32c, bytes }) => {
      assert.equal(bytes, data.length);
      assert.ok(session.kept.length < data.length);
      told = crc32c;
      return Promise.resolve();
    };
    const object = await uploadChunks(session.ports({ onChecksum }));
    arrived();
    assert.equal(session.sentBytes, data.length);
    assert.equal(object.crc32c, told);
    assert.equal(session.asked, 0);
  });

  it("sends only the rest of a chunk of which half was kept", async () => {
    session.tricks.push((chunk) => session.keep(chunk.subarray(0, 4 * MIB)));
    await uploadChunks(session.ports());
    arrived();
    assert.equal(session.sentBytes, data.length + CHUNK_BYTES - 4 * MIB);
  });

  it("asks before it sends a chunk again, and goes on where the session is", async () => {
    session.tricks.push(undefined, (chunk) => {
      session.keep(chunk.subarray(0, MIB));
      throw trouble(503);
    });
    await uploadChunks(session.ports());
    arrived();
    assert.equal(session.asked, 1);
  });

  it("takes the object of a last chunk whose answer was lost", async () => {
    session.tricks.push(undefined, undefined, (chunk) => {
      session.keep(chunk);
      throw new TypeError("fetch failed");
    });
    await uploadChunks(session.ports());
    arrived();
    assert.equal(session.sentBytes, data.length);
  });

  it("goes on with the session of an earlier run", async () => {
    session.kept = Buffer.from(data.subarray(0, CHUNK_BYTES + MIB));
    await uploadChunks(session.ports({ session: "session" }));
    arrived();
    assert.equal(session.begun, 0);
    assert.equal(session.sentBytes, CHUNK_BYTES);
  });

  it("begins another session for one that is gone", async () => {
    session.gone = true;
    await uploadChunks(session.ports({ session: "session" }));
    arrived();
    assert.equal(session.begun, 1);
  });

  it("makes the stream again when the session has less than it said", async () => {
    session.tricks.push(undefined, () => {
      session.kept = session.kept.subarray(0, MIB);
      return session.state();
    });
    await uploadChunks(session.ports());
    arrived();
  });

  it("gives up on a session that keeps nothing", async () => {
    session.tricks.push(...Array.from({ length: 9 }, () => () => session.state()));
    await assert.rejects(uploadChunks(session.ports()), { code: "publish-failed", message: /without keeping any/ });
  });

  it("gives up when sessions are lost over and over", async () => {
    session.tricks.push(...Array.from({ length: 9 }, () => (): SessionState => ({ kind: "gone" })));
    await assert.rejects(uploadChunks(session.ports()), { code: "publish-failed", message: /was lost 3 times/ });
  });

  it("sends no last chunk of a stream that fails", async () => {
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces(data, [300_000]);
      throw new RangeError("changed");
    };
    await assert.rejects(uploadChunks(session.ports({ bytes })), /changed/);
    assert.ok(session.kept.length < data.length);
  });

  it("does not try again what is refused for good", async () => {
    session.tricks.push(() => {
      throw trouble(403);
    });
    await assert.rejects(uploadChunks(session.ports()), { code: "publish-denied" });
    assert.equal(session.sentBytes, CHUNK_BYTES);
  });
});
