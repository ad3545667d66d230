import assert from "node:assert/strict";
import fc from "fast-check";
import { streamSource } from "../../../src/oci/byte-source.ts";
import { encodeHeader, paddingBytes, TAR_BLOCK_BYTES, type TarEntry } from "../../../src/oci/tar-header.ts";
import { listTar } from "../../../src/oci/tar-list.ts";

const GIB = 1024 ** 3;
const entry: TarEntry = {
  path: "disk/disk.qcow2",
  type: "file",
  sizeBytes: 5,
  mode: 0o440,
  uid: 107,
  gid: 107,
  mtimeSeconds: 0,
};

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}

describe("tar header", () => {
  it("is one ustar block for a plain file, without names of owners", () => {
    const block = encodeHeader(entry);
    assert.equal(block.byteLength, TAR_BLOCK_BYTES);
    assert.equal(block.subarray(257, 265).toString("latin1"), "ustar\x0000");
    assert.deepEqual(block.subarray(265, 329), Buffer.alloc(64));
  });

  it("ends a directory's path with a slash", () => {
    const block = encodeHeader({ ...entry, path: "disk", type: "directory", sizeBytes: 0 });
    assert.equal(block.subarray(0, 6).toString("latin1"), "disk/\0");
    assert.equal(block.subarray(156, 157).toString("latin1"), "5");
  });

  it("says sizes of more than 8 GiB in a pax record", () => {
    assert.equal(encodeHeader({ ...entry, sizeBytes: 8 * GIB - 1 }).byteLength, TAR_BLOCK_BYTES);
    const big = encodeHeader({ ...entry, sizeBytes: 8 * GIB });
    assert.equal(big.byteLength, 3 * TAR_BLOCK_BYTES);
    assert.match(big.toString("latin1"), / size=8589934592\n/);
  });

  it("pads contents to whole blocks", () => {
    assert.deepEqual([0, 1, 511, 512, 513].map(paddingBytes), [0, 511, 1, 0, 511]);
  });

  it("reads back as it was written, for any path, size, owner and mode", async () => {
    const part = fc
      .string({ minLength: 1, maxLength: 120, unit: "grapheme" })
      .filter((text) => !/[/\0\n\u2028\u2029]|^\.{1,2}$/.test(text));
    const anyEntry = fc.record({
      path: fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
      sizeBytes: fc.maxSafeInteger().map((size) => Math.abs(size)),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.nat(),
      gid: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(anyEntry, async (fields) => {
        const { files } = await listTar(streamSource(once(encodeHeader({ ...entry, ...fields }))));
        assert.deepEqual(files, [{ ...fields, type: "File" }]);
      }),
    );
  });
});
