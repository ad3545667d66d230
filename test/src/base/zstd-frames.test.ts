import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { constants, zstdCompressSync } from "node:zlib";
import { zstdContent } from "../../../src/base/zstd-frames.ts";

/** Both compressed and raw blocks, several of them (one holds at most 128 KiB), and one that repeats a byte. */
const CONTENT = Buffer.concat([randomBytes(200_000), Buffer.alloc(300_000), Buffer.from("abc".repeat(1000))]);
const SKIPPABLE = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);

function frame(content: Uint8Array, hasChecksum = false): Buffer {
  return zstdCompressSync(content, { params: { [constants.ZSTD_c_checksumFlag]: Number(hasChecksum) } });
}

describe("zstd content", () => {
  let path: string;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-zstd-"));
    path = join(folder, "packed");
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function contentOf(packed: Uint8Array, signal = new AbortController().signal): Promise<Buffer> {
    await writeFile(path, packed);
    return Buffer.concat((await Readable.from(zstdContent(path, signal)).toArray()) as Buffer[]);
  }

  const whole: Readonly<Record<string, { readonly packed: Buffer; readonly content: Buffer }>> = {
    "one frame": { packed: frame(CONTENT), content: CONTENT },
    "a frame with a checksum": { packed: frame(CONTENT, true), content: CONTENT },
    "a frame without content": { packed: frame(Buffer.alloc(0)), content: Buffer.alloc(0) },
    "frames of every header size": {
      packed: Buffer.concat([1, 300, 70_000].map((length) => frame(CONTENT.subarray(0, length), true))),
      content: Buffer.concat([1, 300, 70_000].map((length) => CONTENT.subarray(0, length))),
    },
    "frames with others between them that hold no data": {
      packed: Buffer.concat([SKIPPABLE, frame(CONTENT), SKIPPABLE, SKIPPABLE, frame(CONTENT), SKIPPABLE]),
      content: Buffer.concat([CONTENT, CONTENT]),
    },
  };
  for (const [what, { packed, content }] of Object.entries(whole)) {
    it(`comes whole out of ${what}`, async () => {
      assert.ok((await contentOf(packed)).equals(content));
    });
  }

  it("is refused wherever its file is cut short", async () => {
    const packed = Buffer.concat([frame(CONTENT, true), frame(CONTENT)]);
    const first = frame(CONTENT, true).length;
    for (const length of [
      1,
      4,
      6,
      15,
      1000,
      first - 5,
      first - 4,
      first - 1,
      first + 3,
      first + 9,
      packed.length - 1,
    ]) {
      await assert.rejects(contentOf(packed.subarray(0, length)), { code: "base-failed", message: /^cannot unpack/ });
    }
  });

  it("is refused when something else follows", async () => {
    await assert.rejects(contentOf(Buffer.concat([frame(CONTENT), Buffer.from("something else")])), {
      code: "base-failed",
      message: /: there is no zstd frame at byte \d+$/,
    });
  });

  it("is refused when it does not have its checksum", async () => {
    const packed = frame(CONTENT, true);
    packed[100_000] = (packed[100_000] ?? 0) ^ 1;
    await assert.rejects(contentOf(packed), { code: "ZSTD_error_checksum_wrong" });
  });

  it("stops when it is told to", async () => {
    await assert.rejects(contentOf(frame(CONTENT), AbortSignal.abort()), { name: "AbortError" });
  });

  it("lets its file go when nobody wants more of it", async () => {
    await writeFile(path, frame(CONTENT));
    for await (const piece of zstdContent(path, new AbortController().signal)) {
      assert.ok(piece.length > 0);
      break;
    }
  });
});
