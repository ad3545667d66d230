import assert from "node:assert/strict";
import { isoImage } from "../../../src/machine/iso9660.ts";
import { noCloudSeed } from "../../../src/machine/nocloud.ts";

/** Reads an image back the way Linux's isofs does: descriptor, root directory, records. */
function readIso(image: Uint8Array): { label: string; files: Record<string, string> } {
  const bytes = Buffer.from(image);
  const descriptor = bytes.subarray(16 * 2048, 17 * 2048);
  assert.equal(descriptor.toString("latin1", 1, 6), "CD001");
  assert.equal(bytes.toString("latin1", 17 * 2048 + 1, 17 * 2048 + 6), "CD001");
  assert.equal(descriptor.readUInt32LE(80) * 2048, bytes.length);
  let offset = descriptor.readUInt32LE(156 + 2) * 2048;
  const files: Record<string, string> = {};
  while (bytes[offset]) {
    const record = bytes.subarray(offset, offset + (bytes[offset] ?? 0));
    const name = record.toString("latin1", 33, 33 + (record[32] ?? 0));
    const start = record.readUInt32LE(2) * 2048;
    if (record[25] === 0) {
      files[name.toLowerCase().replace(/;1$/, "")] = bytes.toString("utf8", start, start + record.readUInt32LE(10));
    }
    offset += record.length;
  }
  return { label: descriptor.toString("latin1", 40, 72).trimEnd(), files };
}

describe("a NoCloud seed", () => {
  it("is a disc labelled cidata with the two files cloud-init reads", () => {
    const { label, files } = readIso(
      noCloudSeed({ instanceId: "i-1", hostname: "node01", userData: { users: [], bootcmd: ["true"] } }),
    );
    assert.equal(label, "cidata");
    assert.deepEqual(JSON.parse(files["meta-data"] ?? ""), { "instance-id": "i-1", "local-hostname": "node01" });
    assert.equal(files["user-data"], '#cloud-config\n{"users":[],"bootcmd":["true"]}\n');
  });

  it("keeps files of any size whole, and gives equal bytes for equal files", () => {
    const files = { a: "", b: "x".repeat(2048), c: "é".repeat(5000) };
    assert.deepEqual(readIso(isoImage("label", files)).files, files);
    assert.deepEqual(isoImage("label", files), isoImage("label", files));
  });
});
