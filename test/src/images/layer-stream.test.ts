import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { sha256 } from "../../../src/core/digest.ts";
import { convertLayer } from "../../../src/images/overlay-layer.ts";
import { convert, file, inPieces, layerTar, memberBytes, TAR_END } from "./layer-tar.ts";

describe("layer's blob", () => {
  const tar = layerTar([file("a", { content: "a".repeat(1000) }), file("b", { content: "b" })]);
  const third = Math.floor(tar.byteLength / 3);
  const frames = [tar.subarray(0, third), tar.subarray(third)].map((part) => zstdCompressSync(part));
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const blobs: Readonly<Record<string, Buffer>> = {
    plain: tar,
    gzip: gzipSync(tar),
    "gzip in two members": Buffer.concat([gzipSync(tar.subarray(0, third)), gzipSync(tar.subarray(third))]),
    zstd: zstdCompressSync(tar),
    "zstd in many frames": Buffer.concat([skippable, ...frames, skippable]),
  };
  for (const [name, blob] of Object.entries(blobs)) {
    it(`may be ${name}, in pieces of any length`, async () => {
      for (const pieceBytes of [1, 700, blob.byteLength]) {
        let bytes = 0;
        const { diffId } = await convertLayer(inPieces(blob, pieceBytes), {
          mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
          folder: "fs",
          below: undefined,
          write: (piece) => Promise.resolve(void (bytes += piece.byteLength)),
          signal: new AbortController().signal,
        });
        assert.equal(diffId, sha256(tar));
        assert.equal(bytes, 512 * (1 + 3 + 2));
      }
    });
  }

  it("counts to its last byte for the digest, also after the tar's end", async () => {
    const longer = Buffer.concat([tar, Buffer.alloc(5000, "more")]);
    assert.equal((await convert(gzipSync(longer))).diffId, sha256(longer));
  });

  it("needs no end mark, and may be empty", async () => {
    const unended = tar.subarray(0, -TAR_END.byteLength);
    assert.equal((await convert(unended)).lines.length, 3);
    assert.deepEqual((await convert(Buffer.alloc(0))).lines, ["directory 0755 0:0 fs/"]);
  });

  it("is damaged when it is cut off, changed, or something else", async () => {
    const changed = Buffer.from(tar);
    changed[3] = 1;
    const damaged = [
      tar.subarray(0, 700),
      tar.subarray(0, 200),
      changed,
      gzipSync(tar).subarray(0, -3),
      zstdCompressSync(tar).subarray(0, -3),
      Buffer.concat([gzipSync(tar), Buffer.from("more")]),
      Buffer.concat([zstdCompressSync(tar), Buffer.from("more")]),
      Buffer.concat([memberBytes(file("a")), Buffer.alloc(512), memberBytes(file("b"))]),
      Buffer.from("not a tar".repeat(100)),
    ];
    for (const blob of damaged) await assert.rejects(convert(blob), { code: "layout-invalid" });
  });

  it("passes its own errors on", async () => {
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield* inPieces(gzipSync(tar), 20);
      throw new RangeError("the disk is gone");
    };
    const options = { mediaType: "x.tar", folder: "fs", below: undefined, signal: new AbortController().signal };
    const write = (): Promise<void> => Promise.resolve();
    await assert.rejects(convertLayer(broken(), { ...options, write }), /the disk is gone/);
    const full = (): Promise<void> => Promise.reject(new RangeError("no space"));
    await assert.rejects(convertLayer(inPieces(tar), { ...options, write: full }), /no space/);
  });

  it("is left alone once the signal says so", async () => {
    const abort = new AbortController();
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (let count = 0; ; count += 1) {
        if (count === 3) abort.abort();
        yield await Promise.resolve(memberBytes(file(String(count))));
      }
    };
    const options = { mediaType: "x.tar", folder: "fs", below: undefined, signal: abort.signal };
    const write = (): Promise<void> => Promise.resolve();
    await assert.rejects(convertLayer(endless(), { ...options, write }), { code: "interrupted" });
  });
});
