import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { uploadBlocks, type Uploaded } from "../../publishers/aws/upload-blocks.ts";
import { awsCaller, type AwsCaller } from "../../src/aws/aws-caller.ts";
import { awsClients, type AwsInput } from "../../src/aws/clients.ts";
import { diskBlocks, rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import { AdaptiveLimit } from "../../src/publish/adaptive-limit.ts";
import { IndexRanges } from "../../src/publish/index-ranges.ts";
import { makeDisk, scratch } from "../contract/aws-publishing.ts";
import { INSTALL_MS, moto } from "./peer-programs.ts";
import { servePeer, type Peer } from "./serve-peer.ts";

const { signal } = new AbortController();
const REGION = "us-east-1";
const BLOCK = 512 * 1024;
const BLOCKS = { 0: "a", 1: "b", 9: "c", 40: "d" };

/** moto checks neither checksums nor most of what it is told: what counts here is that requests are read, and bytes come back. */
describe("AWS, as moto has it", function () {
  this.timeout(120_000);
  let bin: string;
  let peer: Peer;
  let folder: Awaited<ReturnType<typeof scratch>>;
  let disk: Awaited<ReturnType<typeof makeDisk>>;
  let caller: AwsCaller;
  let env: Record<string, string>;

  before(async function () {
    this.timeout(INSTALL_MS);
    bin = await moto();
    peer = await servePeer([join(bin, "moto_server"), "-H", "127.0.0.1", "-p", "0"]);
    env = { AWS_ENDPOINT_URL: peer.endpoint, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
    caller = awsCaller(awsClients(env), { deadlineMs: 20_000 });
    folder = await scratch();
    disk = await makeDisk(folder.folder, { name: "disk", blocks: BLOCKS, count: 48 });
  });
  after(async () => {
    await peer[Symbol.asyncDispose]();
    await folder.remove();
  });

  const put = (
    SnapshotId: string,
    block: Pick<AwsInput<"ebs:PutSnapshotBlock">, "BlockIndex" | "BlockData" | "Checksum">,
  ) =>
    caller.call(
      {
        action: "ebs:PutSnapshotBlock",
        region: REGION,
        input: { SnapshotId, ChecksumAlgorithm: "SHA256", DataLength: BLOCK, ...block },
      },
      { signal },
    );
  const upload = (snapshot: string): Promise<Uploaded> =>
    uploadBlocks(diskBlocks(rawDisk(disk.diskPath, { signal }), BLOCK), {
      put: async ({ index, data, checksum }) => {
        await put(snapshot, { BlockIndex: index, BlockData: data, Checksum: checksum });
      },
      limit: new AdaptiveLimit({ start: 8, most: 16, least: 1 }),
      acknowledged: IndexRanges.parse(undefined),
      remember: () => Promise.resolve(),
      rememberEvery: 16,
      onProgress: () => undefined,
      signal,
    });
  const started = async (): Promise<string> => {
    const input = { VolumeSize: 1, Description: "node 1.0 amd64", Tags: [{ Key: "kvci:managed", Value: "true" }] };
    const { SnapshotId } = await caller.call({ action: "ebs:StartSnapshot", region: REGION, input }, { signal });
    return SnapshotId ?? "";
  };
  /** What each block of the disk should be, by our own reading of the file that it was made of. */
  const expected = async (): Promise<Record<string, string>> => {
    const found: Record<string, string> = {};
    for await (const { index, data, isZero } of diskBlocks(rawDisk(disk.diskPath, { signal }), BLOCK)) {
      if (!isZero) found[index] = createHash("sha256").update(data).digest("hex");
    }
    return found;
  };

  it("has every block that boto3 reads back, and none of zeros", async () => {
    const snapshot = await started();
    const { changedBlocks, linearChecksum } = await upload(snapshot);
    const sum = { ChecksumAlgorithm: "SHA256", ChecksumAggregationMethod: "LINEAR", Checksum: linearChecksum } as const;
    const input = { SnapshotId: snapshot, ChangedBlocksCount: changedBlocks, ...sum };
    await caller.call({ action: "ebs:CompleteSnapshot", region: REGION, input }, { signal });
    const reader = join(import.meta.dirname, "read-snapshot.py");
    const argv = [join(bin, "python"), reader, peer.endpoint, REGION, snapshot] as const;
    const back = JSON.parse(await runProgram([...argv], { signal, timeoutMs: 60_000, env })) as Record<string, string>;
    assert.deepEqual(back, await expected());
    assert.deepEqual(Object.keys(back), Object.keys(BLOCKS));
  });

  it("reads what images, copies, permissions and parameters are asked for with", async () => {
    const SnapshotId = await started();
    const region = REGION;
    const devices = [{ DeviceName: "/dev/xvda", Ebs: { SnapshotId, VolumeType: "gp3" as const } }];
    const registering = { Name: "node 1.0", Architecture: "x86_64" as const, BlockDeviceMappings: devices };
    const { ImageId = "" } = await caller.call(
      { action: "ec2:RegisterImage", region, input: { ...registering, RootDeviceName: "/dev/xvda" } },
      { signal },
    );
    const there = "eu-west-1";
    const copying = { Name: "node 1.0", SourceImageId: ImageId, SourceRegion: region };
    const { ImageId: copy = "" } = await caller.call(
      { action: "ec2:CopyImage", region: there, input: copying },
      { signal },
    );
    const sharing = { ImageId: copy, LaunchPermission: { Add: [{ Group: "all" as const }] } };
    await caller.call({ action: "ec2:ModifyImageAttribute", region: there, input: sharing }, { signal });
    const [page] = await caller.pages(
      { action: "ec2:DescribeImages", region: there, input: { Owners: ["self"], ImageIds: [copy] } },
      { signal },
    );
    assert.deepEqual(
      page?.Images?.map(({ Name, Public }) => [Name, Public]),
      [["node 1.0", true]],
    );
    const naming = { Name: "/kvci/node/latest", Value: copy, Type: "String" as const };
    await caller.call({ action: "ssm:PutParameter", region: there, input: naming }, { signal });
    const { Parameters } = await caller.call(
      { action: "ssm:GetParameters", region: there, input: { Names: [naming.Name] } },
      { signal },
    );
    assert.equal(Parameters?.[0]?.Value, copy);
    assert.match(
      (await caller.call({ action: "sts:GetCallerIdentity", region, input: {} }, { signal })).Account ?? "",
      /^\d{12}$/,
    );
  });
});
