import assert from "node:assert/strict";
import { filesystemState } from "../../../src/disk/filesystem-state.ts";
import { partitionsOf } from "../../../src/disk/partitions.ts";

function ext4(state: number, incompatible: number): Buffer {
  const head = Buffer.alloc(68 * 1024);
  head.writeUInt16LE(0xef53, 1024 + 0x38);
  head.writeUInt16LE(state, 1024 + 0x3a);
  head.writeUInt32LE(incompatible, 1024 + 0x60);
  return head;
}

function fat32(dirty: number): Buffer {
  const head = Buffer.alloc(68 * 1024);
  head.write("FAT32   ", 82, "latin1");
  head.writeUInt16LE(0xaa55, 510);
  head[0x41] = dirty;
  return head;
}

describe("filesystemState", () => {
  it("reads ext4: clean, marked as in use, journal to replay", () => {
    assert.deepEqual(filesystemState(ext4(1, 0x2c2)), { type: "ext4", state: "clean" });
    assert.deepEqual(filesystemState(ext4(0, 0x2c2)), { type: "ext4", state: "unclean" });
    assert.deepEqual(filesystemState(ext4(1, 0x2c6)), { type: "ext4", state: "unclean" });
  });

  it("reads FAT's dirty bit", () => {
    assert.deepEqual(filesystemState(fat32(0)), { type: "vfat", state: "clean" });
    assert.deepEqual(filesystemState(fat32(1)), { type: "vfat", state: "unclean" });
  });

  it("reads btrfs's log tree", () => {
    const head = Buffer.alloc(68 * 1024);
    head.write("_BHRfS_M", 64 * 1024 + 0x40, "latin1");
    assert.deepEqual(filesystemState(head), { type: "btrfs", state: "clean" });
    head.writeBigUInt64LE(5n, 64 * 1024 + 0x60);
    assert.deepEqual(filesystemState(head), { type: "btrfs", state: "unclean" });
  });

  it("does not judge what it cannot read", () => {
    assert.deepEqual(filesystemState(Buffer.from("XFSB".padEnd(2048, "\0"))), { type: "xfs", state: "unknown" });
    assert.deepEqual(filesystemState(Buffer.alloc(68 * 1024)), { type: "other", state: "unknown" });
    assert.deepEqual(filesystemState(Buffer.alloc(0)), { type: "other", state: "unknown" });
  });
});

describe("partitionsOf", () => {
  it("reads a GPT", () => {
    const table = Buffer.alloc(34 * 512);
    table.write("EFI PART", 512, "latin1");
    table.writeBigUInt64LE(2n, 512 + 72);
    table.writeUInt32LE(128, 512 + 80);
    table.writeUInt32LE(128, 512 + 84);
    table.fill(1, 1024 + 128, 1024 + 144);
    table.writeBigUInt64LE(2048n, 1024 + 128 + 32);
    table.writeBigUInt64LE(4095n, 1024 + 128 + 40);
    assert.deepEqual(partitionsOf(table), [{ number: 2, offset: 1024 * 1024, bytes: 1024 * 1024 }]);
  });

  it("reads an MBR, and finds nothing on an empty disk", () => {
    const table = Buffer.alloc(34 * 512);
    assert.deepEqual(partitionsOf(table), []);
    table.writeUInt16LE(0xaa55, 510);
    table[446 + 4] = 0x83;
    table.writeUInt32LE(2048, 446 + 8);
    table.writeUInt32LE(2048, 446 + 12);
    assert.deepEqual(partitionsOf(table), [{ number: 1, offset: 1024 * 1024, bytes: 1024 * 1024 }]);
  });
});
