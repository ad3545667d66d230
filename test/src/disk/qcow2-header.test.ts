import assert from "node:assert/strict";
import fc from "fast-check";
import { qcow2Header } from "../../../src/disk/qcow2-header.ts";

interface Made {
  readonly version?: number;
  readonly backing?: string;
  readonly format?: string;
  readonly incompatible?: bigint;
}

/** The first cluster of a qcow2, as qemu-img lays it out: header, extensions, name. */
function head({ version = 3, backing, format, incompatible = 0n }: Made): Buffer {
  const bytes = Buffer.alloc(64 * 1024);
  bytes.write("QFI\xfb", "latin1");
  bytes.writeUInt32BE(version, 4);
  bytes.writeBigUInt64BE(6n * 1024n ** 3n, 24);
  const extensions = version === 2 ? 72 : 112;
  if (version === 3) {
    bytes.writeBigUInt64BE(incompatible, 72);
    bytes.writeUInt32BE(extensions, 100);
  }
  let at = extensions;
  if (format !== undefined) {
    bytes.writeUInt32BE(0xe2792aca, at);
    bytes.writeUInt32BE(format.length, at + 4);
    bytes.write(format, at + 8);
    at += 8 + Math.ceil(format.length / 8) * 8;
  }
  at += 8;
  if (backing !== undefined) {
    bytes.writeBigUInt64BE(BigInt(at), 8);
    bytes.writeUInt32BE(Buffer.byteLength(backing), 16);
    bytes.write(backing, at);
  }
  return bytes;
}

describe("qcow2 header", () => {
  for (const version of [2, 3]) {
    it(`of version ${String(version)} tells size, backing file and its format`, () => {
      assert.deepEqual(qcow2Header(head({ version, backing: "base.qcow2", format: "qcow2" })), {
        virtualBytes: 6 * 1024 ** 3,
        backingFile: "base.qcow2",
        backingFormat: "qcow2",
        externalData: false,
      });
    });
  }

  it("without a backing file has none", () => {
    const header = qcow2Header(head({}));
    assert.deepEqual([header?.backingFile, header?.backingFormat], [undefined, undefined]);
  });

  it("tells that the data is in another file", () => {
    assert.equal(qcow2Header(head({ incompatible: 4n }))?.externalData, true);
    assert.equal(qcow2Header(head({ incompatible: 8n }))?.externalData, false);
  });

  it("is no header when it is cut off, of another version, or points beyond itself", () => {
    const whole = head({ backing: "base.qcow2", format: "qcow2" });
    assert.equal(qcow2Header(whole.subarray(0, 103)), undefined);
    assert.equal(qcow2Header(whole.subarray(0, 130)), undefined);
    assert.equal(qcow2Header(head({ version: 4 })), undefined);
    assert.equal(qcow2Header(Buffer.alloc(64 * 1024)), undefined);
    whole.writeUInt32BE(5000, 16);
    assert.equal(qcow2Header(whole), undefined);
  });

  it("never throws, whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const damaged = head({ backing: "base.qcow2", format: "qcow2" });
        damaged.set(bytes, 8);
        qcow2Header(damaged);
        qcow2Header(Buffer.from(bytes));
      }),
    );
  });
});
