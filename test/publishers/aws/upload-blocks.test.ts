import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { KvciError } from "../../../src/core/error.ts";
import type { DiskBlock } from "../../../src/disk/raw-disk.ts";
import { AdaptiveLimit } from "../../../src/publish/adaptive-limit.ts";
import { IndexRanges } from "../../../src/publish/index-ranges.ts";
import { BlockDigests } from "../../../publishers/aws/block-digests.ts";
import { uploadBlocks, type PutBlock, type UploadOptions } from "../../../publishers/aws/upload-blocks.ts";

const { signal } = new AbortController();

describe("block upload", () => {
  it("sends what is not zero, once, with the checksums that EBS wants", async () => {
    const sent = new Map<number, string>();
    const result = await upload(["a", "", "b", "", "c"], {
      put: async ({ index, checksum }) => {
        // Later blocks are answered first.
        await new Promise((resolve) => setTimeout(resolve, 10 - index));
        assert.ok(!sent.has(index));
        sent.set(index, checksum);
      },
    });
    assert.deepEqual([...sent.keys()].sort(), [0, 2, 4]);
    assert.equal(sent.get(2), digestOf("b").toString("base64"));
    // The linear checksum counts in the order of indexes, not of answers.
    const linear = createHash("sha256")
      .update(Buffer.concat(["a", "b", "c"].map(digestOf)))
      .digest("base64");
    assert.deepEqual(result, { changedBlocks: 3, sentBlocks: 3, linearChecksum: linear });
  });

  it("does not send again what was acknowledged, and comes to the same checksum", async () => {
    const whole = await upload(["a", "b", "c"], {});
    const sent: number[] = [];
    const resumed = await upload(["a", "b", "c"], {
      acknowledged: IndexRanges.parse("0-1"),
      put: ({ index }) => {
        sent.push(index);
        return Promise.resolve();
      },
    });
    assert.deepEqual(sent, [2]);
    assert.deepEqual(resumed, { ...whole, sentBlocks: 1 });
  });

  it("leaves out what the parent snapshot has, and sends zeros over what it should not have", async () => {
    const parent = new BlockDigests();
    parent.set(1, digestOf("b"));
    parent.set(3, digestOf("gone"));
    const sent: number[] = [];
    const seen: number[] = [];
    const result = await upload(["a", "b", "", "", "c"], {
      parent,
      onDigest: (index) => seen.push(index),
      put: async ({ index }) => {
        sent.push(index);
      },
    });
    assert.deepEqual(sent, [0, 3, 4]);
    assert.equal(result.changedBlocks, 3);
    assert.deepEqual(seen, [0, 1, 3, 4]);
  });

  it("remembers what arrived, also when it fails in the middle", async () => {
    const remembered: string[] = [];
    const failing: PutBlock = ({ index }) =>
      index === 5 ? Promise.reject(new KvciError("publish-denied", "no", { hint: "no" })) : Promise.resolve();
    const names = Array.from({ length: 40 }, (_, index) => String(index));
    await assert.rejects(
      upload(names, {
        put: failing,
        limit: new AdaptiveLimit({ start: 1, most: 1 }),
        remember: (acknowledged) => {
          remembered.push(String(acknowledged));
          return Promise.resolve();
        },
      }),
      { code: "publish-denied" },
    );
    assert.equal(remembered.at(-1), "0-4");
  });

  it("holds no more blocks than may be under way", async () => {
    let [running, most] = [0, 0];
    const names = Array.from({ length: 60 }, (_, index) => String(index));
    await upload(names, {
      limit: new AdaptiveLimit({ start: 4, most: 4 }),
      put: async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 3));
        running -= 1;
      },
    });
    assert.equal(most, 4);
  });

  it("refuses a disk without a byte", async () => {
    await assert.rejects(upload(["", ""], {}), { code: "publish-integrity" });
  });
});

describe("adaptive limit", () => {
  it("grows by one each round, and is halved once by a burst of refusals", async () => {
    let now = 0;
    const limit = new AdaptiveLimit({ start: 4, most: 8, now: () => now });
    for (let index = 0; index < 5; index += 1) (await limit.take())("ok");
    assert.equal(limit.limit, 5);
    limit.refused();
    limit.refused();
    assert.equal(limit.limit, 2);
    now = 2_000;
    limit.refused();
    assert.equal(limit.limit, 1);
    for (let index = 0; index < 100; index += 1) (await limit.take())("ok");
    assert.equal(limit.limit, 8);
  });
});

describe("index ranges", () => {
  it("join what touches, in whatever order it comes", () => {
    const set = new IndexRanges();
    for (const index of [5, 1, 3, 2, 9, 4, 1]) set.add(index);
    assert.equal(String(set), "1-5,9");
    assert.equal(set.size, 6);
    assert.deepEqual(
      [0, 1, 5, 6, 9, 10].map((index) => set.has(index)),
      [false, true, true, false, true, false],
    );
    assert.equal(String(IndexRanges.parse(String(set))), "1-5,9");
    assert.equal(IndexRanges.parse("1-x").size, 0);
    assert.equal(IndexRanges.parse(undefined).size, 0);
  });
});

function upload(names: readonly string[], options: Partial<UploadOptions>) {
  return uploadBlocks(blocksOf(names), {
    put: () => Promise.resolve(),
    limit: new AdaptiveLimit({ start: 8, most: 8 }),
    acknowledged: new IndexRanges(),
    remember: () => Promise.resolve(),
    rememberEvery: 10,
    onProgress: () => undefined,
    signal,
    ...options,
  });
}

async function* blocksOf(names: readonly string[]): AsyncGenerator<DiskBlock> {
  for (const [index, name] of names.entries()) {
    await turn();
    yield { index, data: Buffer.from(name), isZero: name === "" };
  }
}

function digestOf(name: string): Buffer {
  return createHash("sha256").update(name).digest();
}
