/** EBS direct APIs, reading: the blocks of a completed snapshot, and those that differ between two. */
import type {
  GetSnapshotBlockRequest,
  ListChangedBlocksRequest,
  ListChangedBlocksResponse,
  ListSnapshotBlocksRequest,
  ListSnapshotBlocksResponse,
} from "@aws-sdk/client-ebs";
import { BLOCK_BYTES, blockDigest, blocksOf, phaseOf, type SnapshotRecord } from "./aws-state.ts";
import { invalid, ownSnapshot } from "./ebs-write.ts";
import { pageOf, type Actions, type Context } from "./world.ts";

/** How long a block token can be used. */
const TOKEN_MS = 7 * 24 * 60 * 60_000;
const MOST_BLOCKS = 10_000;

export const ebsReadActions: Actions = {
  ListSnapshotBlocks: list,
  ListChangedBlocks: changed,
  GetSnapshotBlock: get,
};

/** Only what is whole, ours and not public can be read. */
function readable(context: Context, id: string | undefined): SnapshotRecord {
  const found = ownSnapshot(context, id);
  if (phaseOf(found, context.nowMs) !== "completed") {
    throw invalid("INVALID_SNAPSHOT_ID", `The snapshot '${found.id}' is not completed.`);
  }
  if (found.sharing.public) {
    throw invalid("INVALID_SNAPSHOT_ID", "EBS direct APIs do not support public snapshots.");
  }
  return found;
}

function list(input: ListSnapshotBlocksRequest, context: Context): ListSnapshotBlocksResponse {
  const snapshot = readable(context, input.SnapshotId);
  const blocks = blocksOf(snapshot).map(([BlockIndex, digest]) => ({
    BlockIndex,
    BlockToken: tokenOf(snapshot.id, BlockIndex, digest),
  }));
  const { entries, next } = pageFrom(blocks, input);
  return { Blocks: [...entries], ...heading(snapshot, context), ...(next === undefined ? {} : { NextToken: next }) };
}

function changed(input: ListChangedBlocksRequest, context: Context): ListChangedBlocksResponse {
  const first = input.FirstSnapshotId === undefined ? undefined : readable(context, input.FirstSnapshotId);
  const second = readable(context, input.SecondSnapshotId);
  if (first !== undefined && first.volumeGiB > second.volumeGiB) {
    throw invalid("UNRELATED_SNAPSHOTS", "The second snapshot's volume is smaller than the first's");
  }
  if (first !== undefined && first.lineage !== second.lineage) {
    throw invalid("UNRELATED_SNAPSHOTS", "The snapshots are not of one volume");
  }
  const before = new Map(first === undefined ? [] : blocksOf(first));
  const after = new Map(blocksOf(second));
  const indices = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => a - b);
  const blocks = indices
    .filter((index) => before.get(index) !== after.get(index))
    .map((BlockIndex) => ({
      BlockIndex,
      ...tokenUnder("FirstBlockToken", first, BlockIndex),
      ...tokenUnder("SecondBlockToken", second, BlockIndex),
    }));
  const { entries, next } = pageFrom(blocks, input);
  return {
    ChangedBlocks: [...entries],
    ...heading(second, context),
    ...(next === undefined ? {} : { NextToken: next }),
  };
}

function tokenUnder(
  name: "FirstBlockToken" | "SecondBlockToken",
  snapshot: SnapshotRecord | undefined,
  index: number,
): Readonly<Partial<Record<typeof name, string>>> {
  const digest = snapshot === undefined ? undefined : blockDigest(snapshot, index);
  return snapshot === undefined || digest === undefined ? {} : { [name]: tokenOf(snapshot.id, index, digest) };
}

function heading({ volumeGiB }: SnapshotRecord, { nowMs }: Context) {
  return { ExpiryTime: new Date(nowMs + TOKEN_MS), VolumeSize: volumeGiB, BlockSize: BLOCK_BYTES };
}

function pageFrom<Block extends { readonly BlockIndex: number }>(
  blocks: readonly Block[],
  input: Pick<ListSnapshotBlocksRequest, "NextToken" | "MaxResults" | "StartingBlockIndex">,
) {
  const from = blocks.filter(({ BlockIndex }) => BlockIndex >= (input.StartingBlockIndex ?? 0));
  return pageOf(from, {
    token: input.NextToken,
    size: input.MaxResults ?? MOST_BLOCKS,
    fail: () => invalid("INVALID_PAGE_TOKEN", "The page token is not one of ours"),
  });
}

function tokenOf(id: string, index: number, digest: string): string {
  return Buffer.from(`${id} ${index} ${digest}`).toString("base64");
}

async function get(input: GetSnapshotBlockRequest, context: Context) {
  const snapshot = readable(context, input.SnapshotId);
  const index = input.BlockIndex ?? -1;
  const digest = blockDigest(snapshot, index);
  if (digest === undefined) throw invalid("INVALID_BLOCK", `Block ${index} was never written`);
  if (input.BlockToken !== tokenOf(snapshot.id, index, digest)) {
    throw invalid("INVALID_BLOCK_TOKEN", `The token is not that of block ${index}`);
  }
  const bytes = await context.world.blocks.get(digest);
  const Checksum = Buffer.from(digest, "hex").toString("base64");
  return { DataLength: BLOCK_BYTES, BlockData: bytes, Checksum, ChecksumAlgorithm: "SHA256" };
}
