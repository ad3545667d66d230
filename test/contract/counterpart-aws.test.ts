import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import {
  CompleteSnapshotCommand,
  GetSnapshotBlockCommand,
  ListChangedBlocksCommand,
  ListSnapshotBlocksCommand,
  StartSnapshotCommand,
} from "@aws-sdk/client-ebs";
import { DescribeImagesCommand, DescribeSnapshotsCommand } from "@aws-sdk/client-ec2";
import { BLOCK_BYTES } from "../counterparts/aws/aws-state.ts";
import { startAws, type AwsCounterpart, type AwsOptions } from "../counterparts/aws/start-aws.ts";
import {
  block,
  clientsOf,
  complete,
  linear,
  putBlock,
  startSnapshot,
  wholeSnapshot,
  type Clients,
} from "./aws-clients.ts";

describe("AWS counterpart's snapshots", () => {
  let aws: AwsCounterpart;
  let clients: Clients;
  const start = async (options: AwsOptions = {}) => {
    aws = await startAws(options);
    clients = clientsOf(aws.env);
  };

  afterEach(async () => {
    await aws.close();
  });

  it("gives a token's first snapshot again, and refuses the token for another request", async () => {
    await start();
    const first = await startSnapshot(clients, { ClientToken: "t1", Description: "one" });
    assert.equal(await startSnapshot(clients, { ClientToken: "t1", Description: "one" }), first);
    const other = startSnapshot(clients, { ClientToken: "t1", Description: "two" });
    await assert.rejects(other, { name: "ConflictException" });
    assert.equal(aws.region("us-east-1").snapshots.size, 1);
  });

  it("leaves the token with a snapshot that failed", async () => {
    await start({ delays: { minuteMs: 1 } });
    const first = await startSnapshot(clients, { ClientToken: "t1", Timeout: 10 });
    aws.advance(30);
    const again = await clients.ebs.send(new StartSnapshotCommand({ VolumeSize: 1, ClientToken: "t1", Timeout: 10 }));
    assert.deepEqual([again.SnapshotId, again.Status, again.BlockSize], [first, "error", BLOCK_BYTES]);
  });

  it("looks at checksum, length and index of a block", async () => {
    await start({ faults: [{ kind: "corrupt", action: "PutSnapshotBlock" }] });
    const id = await startSnapshot(clients);
    const invalid = { name: "ValidationException", Reason: "INVALID_BLOCK" };
    await assert.rejects(putBlock(clients, id, [0, block(1)]), invalid);
    await assert.rejects(putBlock(clients, id, [0, Buffer.alloc(512)]), invalid);
    await assert.rejects(putBlock(clients, id, [2048, block(1)]), invalid);
    await putBlock(clients, id, [2047, block(1)]);
    const unknown = putBlock(clients, "snap-00000000000000000", [0, block(1)]);
    await assert.rejects(unknown, { name: "ResourceNotFoundException", Reason: "SNAPSHOT_NOT_FOUND" });
  });

  it("completes once, for the right count and checksum", async () => {
    await start();
    const id = await startSnapshot(clients);
    const [one, two] = [block(1), block(2)];
    await putBlock(clients, id, [7, two]);
    await putBlock(clients, id, [3, one]);
    const seal = (ChangedBlocksCount: number, Checksum: string) =>
      clients.ebs.send(new CompleteSnapshotCommand({ SnapshotId: id, ChangedBlocksCount, Checksum }));
    await assert.rejects(seal(1, linear([one, two])), { name: "ValidationException" });
    await assert.rejects(seal(2, linear([two, one])), { name: "ValidationException" });
    assert.equal((await seal(2, linear([one, two]))).Status, "pending");
    await assert.rejects(seal(2, linear([one, two])), { Reason: "INVALID_SNAPSHOT_ID" });
    await assert.rejects(putBlock(clients, id, [8, one]), { Reason: "INVALID_SNAPSHOT_ID" });
    await wait(30);
    const { Snapshots } = await clients.ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ["self"] }));
    assert.deepEqual(
      Snapshots?.map(({ State, Progress }) => [State, Progress]),
      [["completed", "100%"]],
    );
  });

  it("lists and gives the blocks of a completed snapshot, in pages", async () => {
    await start();
    const blocks = Array.from({ length: 101 }, (_, index) => [index * 2, block(index + 1)] as const);
    const id = await wholeSnapshot(clients, blocks);
    const list = (NextToken?: string) =>
      clients.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId: id, MaxResults: 100, NextToken }));
    const first = await list();
    const second = await list(first.NextToken);
    const found = [...(first.Blocks ?? []), ...(second.Blocks ?? [])];
    assert.deepEqual([first.Blocks?.length, second.NextToken], [100, undefined]);
    assert.deepEqual(
      found.map(({ BlockIndex }) => BlockIndex),
      blocks.map(([index]) => index),
    );
    const { BlockToken = "" } = found[5] ?? {};
    const get = (BlockIndex: number) =>
      clients.ebs.send(new GetSnapshotBlockCommand({ SnapshotId: id, BlockIndex, BlockToken }));
    assert.deepEqual(Buffer.from((await (await get(10)).BlockData?.transformToByteArray()) ?? []), block(6));
    await assert.rejects(get(11), { Reason: "INVALID_BLOCK" });
    await assert.rejects(get(12), { Reason: "INVALID_BLOCK_TOKEN" });
  });

  it("puts the blocks of a snapshot on those of its parent", async () => {
    await start();
    const parent = await wholeSnapshot(clients, [
      [0, block(1)],
      [5, block(2)],
    ]);
    const child = await wholeSnapshot(clients, [[5, block(3)]], { ParentSnapshotId: parent });
    const request = new ListChangedBlocksCommand({ FirstSnapshotId: parent, SecondSnapshotId: child });
    const { ChangedBlocks } = await clients.ebs.send(request);
    assert.deepEqual(
      ChangedBlocks?.map(({ BlockIndex }) => BlockIndex),
      [5],
    );
    const firstBytes: (number | undefined)[] = [];
    for await (const bytes of aws.snapshotBytes("us-east-1", child)) firstBytes.push(bytes[0]);
    assert.equal(firstBytes.length, 2048);
    assert.deepEqual(firstBytes.slice(0, 7), [1, 0, 0, 0, 0, 3, 0]);
  });

  it("encrypts by default where the region says so", async () => {
    await start();
    aws.region("us-east-1").encryptionByDefault = true;
    const id = await startSnapshot(clients);
    assert.match(aws.region("us-east-1").snapshots.get(id)?.kmsKeyArn ?? "", /^arn:aws:kms:/);
    const both = startSnapshot(clients, { ParentSnapshotId: id, Encrypted: true });
    await assert.rejects(both, { name: "ValidationException" });
  });

  it("shows what was made, and takes blocks for it, only after a while", async () => {
    await start({ delays: { visibleLookups: 1, writableCalls: 1 } });
    const id = await startSnapshot(clients);
    const show = () => clients.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }));
    await assert.rejects(show(), { name: "InvalidSnapshot.NotFound" });
    assert.equal((await show()).Snapshots?.[0]?.State, "pending");
    await assert.rejects(putBlock(clients, id, [0, block(1)]), { name: "ResourceNotFoundException" });
    await putBlock(clients, id, [0, block(1)]);
  });
});

describe("AWS counterpart", () => {
  const open: AwsCounterpart[] = [];
  const start = async (options: AwsOptions = {}) => {
    const made = await startAws(options);
    open.push(made);
    return made;
  };

  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });

  it("throttles, breaks, cuts connections and loses replies as planned", async () => {
    const aws = await start({
      faults: [
        { kind: "throttle", service: "ebs", action: "StartSnapshot", times: 2 },
        { kind: "unavailable", service: "ebs", after: 2 },
        { kind: "lost-reply", action: "StartSnapshot", after: 3 },
        { kind: "reset", region: "eu-west-1", times: "always" },
        { kind: "error", service: "ec2", code: "Blocked", status: 403, retryAfterSeconds: 7 },
      ],
    });
    const clients = clientsOf(aws.env);
    const count = () => aws.region("us-east-1").snapshots.size;
    const throttled = { name: "RequestThrottledException", Reason: "ACCOUNT_THROTTLED" };
    await assert.rejects(startSnapshot(clients), throttled);
    await assert.rejects(startSnapshot(clients), throttled);
    await assert.rejects(startSnapshot(clients), { name: "InternalServerException" });
    assert.equal(count(), 0);
    await assert.rejects(startSnapshot(clients, { ClientToken: "a" }), { code: "ECONNRESET" });
    assert.equal(count(), 1);
    assert.ok(await startSnapshot(clients, { ClientToken: "a" }));
    assert.equal(count(), 1);
    const down = clientsOf(aws.env, "eu-west-1");
    await assert.rejects(startSnapshot(down), { code: "ECONNRESET" });
    await assert.rejects(startSnapshot(down), { code: "ECONNRESET" });
    const show = () => clients.ec2.send(new DescribeSnapshotsCommand({ OwnerIds: ["self"] }));
    await assert.rejects(show(), (error: { $response?: { headers: Record<string, string> } }) => {
      return error.$response?.headers["retry-after"] === "7";
    });
    assert.deepEqual(aws.faults.hits, [2, 1, 1, 2, 1]);
    assert.deepEqual(
      aws.calls.map(({ status }) => status),
      [400, 400, 500, 0, 201, 0, 0, 403],
    );
  });

  it("refuses expired sessions in the words of each service, and takes renewed ones", async () => {
    const aws = await start();
    const old = clientsOf(aws.env);
    const { renewed } = aws.expireSession();
    await assert.rejects(startSnapshot(old), { name: "ExpiredTokenException" });
    await assert.rejects(old.ec2.send(new DescribeImagesCommand({})), { name: "RequestExpired" });
    assert.ok(await startSnapshot(clientsOf(renewed)));
  });

  it("refuses what the vendor's model does not have, and remembers it", async () => {
    const aws = await start();
    const { ebs, ec2 } = clientsOf(aws.env);
    await assert.rejects(ebs.send(new StartSnapshotCommand({ VolumeSize: 1, Timeout: 5 })), {
      name: "ValidationException",
    });
    const odd = { Owners: ["self"], Filters: [{ Name: "stat", Values: ["available"] }] };
    await assert.rejects(ec2.send(new DescribeImagesCommand(odd)), { name: "InvalidParameterValue" });
    assert.deepEqual(aws.violations, ["ebs:StartSnapshot: StartSnapshotRequest.Timeout: 5 is less than 10"]);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const unsigned = await fetch(aws.endpoint, { method: "POST", headers: form, body: "Action=DescribeImages" });
    assert.deepEqual([unsigned.status, /MissingAuthenticationToken/.test(await unsigned.text())], [403, true]);
  });

  it("tells a region that was not opted in to from others, and an action that is not allowed", async () => {
    const aws = await start({ denied: ["ebs:StartSnapshot"] });
    aws.region("af-south-1").optIn = "not-opted-in";
    const { ec2 } = clientsOf(aws.env, "af-south-1");
    await assert.rejects(ec2.send(new DescribeImagesCommand({})), { name: "AuthFailure" });
    await assert.rejects(startSnapshot(clientsOf(aws.env)), { name: "AccessDeniedException" });
  });

  it("finds its state again in the folder where it left it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "counterpart-aws-"));
    const before = await start({ folder });
    const clients = clientsOf(before.env);
    const id = await startSnapshot(clients);
    await putBlock(clients, id, [0, block(9)]);
    await before.close();
    const after = await start({ folder });
    await complete(clientsOf(after.env), id, [block(9)]);
    assert.deepEqual(
      after.calls.map(({ action }) => action),
      ["StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot"],
    );
    for await (const first of after.snapshotBytes("us-east-1", id)) {
      assert.deepEqual(Buffer.from(first), block(9));
      break;
    }
    await after.close();
    await rm(folder, { recursive: true });
  });
});
