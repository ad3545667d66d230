import assert from "node:assert/strict";
import { ListSnapshotBlocksCommand } from "@aws-sdk/client-ebs";
import {
  CopyImageCommand,
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImageAttributeCommand,
  DescribeImagesCommand,
  DescribeSnapshotAttributeCommand,
  DescribeSnapshotsCommand,
  DisableImageCommand,
  EnableImageBlockPublicAccessCommand,
  EnableImageDeprecationCommand,
  EnableImageDeregistrationProtectionCommand,
  ModifyImageAttributeCommand,
  ModifySnapshotAttributeCommand,
  paginateDescribeImages,
  RegisterImageCommand,
  type Image,
} from "@aws-sdk/client-ec2";
import { startAws, type AwsCounterpart, type AwsOptions } from "../counterparts/aws/start-aws.ts";
import { clientsOf, imageInput, registerImage, startSnapshot, wholeSnapshot, type Clients } from "./aws-clients.ts";

const ALL = { LaunchPermission: { Add: [{ Group: "all" as const }] } };
const OTHER = "999988887777";

describe("AWS counterpart's images", () => {
  let aws: AwsCounterpart;
  let clients: Clients;
  let there: Clients;
  const start = async (options: AwsOptions = {}) => {
    aws = await startAws(options);
    clients = clientsOf(aws.env);
    there = clientsOf(aws.env, "eu-west-1");
  };
  const image = async (ImageId: string, { ec2 } = clients): Promise<Image | undefined> =>
    (await ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId] }))).Images?.[0];
  const copy = async (SourceImageId: string, ClientToken?: string): Promise<string> => {
    const request = { Name: "kubevirt v1", SourceImageId, SourceRegion: "us-east-1", ClientToken };
    return (await there.ec2.send(new CopyImageCommand({ ...request, CopyImageTags: true }))).ImageId ?? "";
  };

  afterEach(async () => {
    assert.deepEqual(aws.violations, []);
    await aws.close();
  });

  it("keep all that they were registered with", async () => {
    await start();
    const id = await registerImage(clients, await wholeSnapshot(clients), {
      BootMode: "uefi",
      TpmSupport: "v2.0",
      ImdsSupport: "v2.0",
      Description: "proved",
      TagSpecifications: [{ ResourceType: "image", Tags: [{ Key: "kvci:content", Value: "sha256:1" }] }],
    });
    const found = await image(id);
    assert.partialDeepStrictEqual(found, {
      ...{ Architecture: "x86_64", BootMode: "uefi", TpmSupport: "v2.0", ImdsSupport: "v2.0", EnaSupport: true },
      ...{ State: "available", RootDeviceName: "/dev/xvda" },
      Tags: [{ Key: "kvci:content", Value: "sha256:1" }],
    });
    const performance = { VolumeType: "gp3" as const, Iops: 3000, Throughput: 125 };
    const ebs = { ...performance, VolumeSize: 1, DeleteOnTermination: true, Encrypted: false };
    assert.partialDeepStrictEqual(found, { BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: ebs }] });
  });

  it("have names of their own and snapshots that are whole", async () => {
    await start();
    const snapshot = await wholeSnapshot(clients);
    const pending = await startSnapshot(clients);
    await assert.rejects(registerImage(clients, pending), { name: "IncorrectState" });
    await assert.rejects(registerImage(clients, "snap-00000000000000000"), { name: "InvalidSnapshot.NotFound" });
    await registerImage(clients, snapshot);
    await assert.rejects(registerImage(clients, snapshot), { name: "InvalidAMIName.Duplicate" });
    const tpm = { Name: "tpm", TpmSupport: "v2.0" as const };
    await assert.rejects(registerImage(clients, snapshot, tpm), { name: "InvalidParameterCombination" });
    const dry = clients.ec2.send(new RegisterImageCommand({ ...imageInput(snapshot), Name: "dry", DryRun: true }));
    await assert.rejects(dry, { name: "DryRunOperation" });
    assert.equal(aws.calls.at(-1)?.status, 412);
    assert.equal(aws.region("us-east-1").images.size, 1);
    assert.equal(aws.calls.at(-1)?.mutating, false);
  });

  it("are copied with their snapshot, by token once", async () => {
    await start({ delays: { copyMs: 60_000 } });
    const tags = [{ ResourceType: "image" as const, Tags: [{ Key: "a", Value: "b" }] }];
    const id = await registerImage(clients, await wholeSnapshot(clients), { TagSpecifications: tags });
    const first = await copy(id, "token");
    assert.equal((await image(first, there))?.State, "pending");
    const early = there.ec2.send(new ModifyImageAttributeCommand({ ImageId: first, ...ALL }));
    await assert.rejects(early, { name: "InvalidAMIID.Unavailable" });
    assert.equal(await copy(id, "token"), first);
    const second = await copy(id, "other");
    assert.notEqual(second, first);
    await assert.rejects(copy(second, "token"), { name: "IdempotentParameterMismatch" });
    aws.advance(60_000);
    const found = await image(first, there);
    const source = { SourceImageId: id, SourceImageRegion: "us-east-1" };
    assert.partialDeepStrictEqual(found, { State: "available", ...source, Tags: [{ Key: "a", Value: "b" }] });
    const SnapshotId = snapshotOf(found);
    const { Blocks } = await there.ebs.send(new ListSnapshotBlocksCommand({ SnapshotId }));
    assert.equal(Blocks?.length, 1);
  });

  it("are copied to a region at most twenty at once", async () => {
    await start({ delays: { copyMs: 60_000 } });
    const id = await registerImage(clients, await wholeSnapshot(clients));
    await Promise.all(Array.from({ length: 20 }, () => copy(id)));
    await assert.rejects(copy(id), { name: "ResourceLimitExceeded" });
    aws.advance(60_000);
    assert.ok(await copy(id));
  });

  it("are shared with accounts, organisations and all, and taken back", async () => {
    await start();
    const snapshot = await wholeSnapshot(clients);
    const id = await registerImage(clients, snapshot);
    const stranger = clientsOf(aws.envOf(OTHER));
    await assert.rejects(image(id, stranger), { name: "InvalidAMIID.NotFound" });
    const OrganizationArn = "arn:aws:organizations::123456789012:organization/o-123";
    const change = (LaunchPermission: object) =>
      clients.ec2.send(new ModifyImageAttributeCommand({ ImageId: id, LaunchPermission }));
    await change({ Add: [{ UserId: OTHER }, { OrganizationArn }, { Group: "all" }] });
    await change({ Remove: [{ OrganizationArn }] });
    const attribute = new DescribeImageAttributeCommand({ ImageId: id, Attribute: "launchPermission" });
    const { LaunchPermissions } = await clients.ec2.send(attribute);
    assert.deepEqual(LaunchPermissions, [{ Group: "all" }, { UserId: OTHER }]);
    assert.equal((await image(id, stranger))?.Public, true);
    const mine = await stranger.ec2.send(new DescribeImagesCommand({ Owners: ["self"] }));
    assert.deepEqual(mine.Images, []);
    const theft = stranger.ec2.send(new DeregisterImageCommand({ ImageId: id }));
    await assert.rejects(theft, { name: "AuthFailure" });
    const grant = { CreateVolumePermission: { Add: [{ Group: "all" as const }] } };
    await clients.ec2.send(new ModifySnapshotAttributeCommand({ SnapshotId: snapshot, ...grant }));
    const shown = { SnapshotId: snapshot, Attribute: "createVolumePermission" as const };
    const permissions = await clients.ec2.send(new DescribeSnapshotAttributeCommand(shown));
    assert.deepEqual(permissions.CreateVolumePermissions, [{ Group: "all" }]);
    assert.deepEqual(
      aws.publicBefore(({ kind }) => kind === "snapshot-public").map(({ kind }) => kind),
      ["image-public"],
    );
  });

  it("become public only within the quota and where it is not blocked", async () => {
    await start({ limits: { publicImages: 1 } });
    const snapshot = await wholeSnapshot(clients);
    const ids = [await registerImage(clients, snapshot), await registerImage(clients, snapshot, { Name: "second" })];
    const publish = (ImageId?: string) => clients.ec2.send(new ModifyImageAttributeCommand({ ImageId, ...ALL }));
    const block = { ImageBlockPublicAccessState: "block-new-sharing" as const };
    await clients.ec2.send(new EnableImageBlockPublicAccessCommand(block));
    await assert.rejects(publish(ids[0]), { name: "OperationNotPermitted" });
    aws.region("us-east-1").imageBlock.state = "unblocked";
    await publish(ids[0]);
    await publish(ids[0]);
    await assert.rejects(publish(ids[1]), { name: "ResourceLimitExceeded" });
    aws.region("us-east-1").snapshotBlock.state = "block-all-sharing";
    const grant = { SnapshotId: snapshot, CreateVolumePermission: { Add: [{ Group: "all" as const }] } };
    await assert.rejects(clients.ec2.send(new ModifySnapshotAttributeCommand(grant)), {
      name: "OperationNotPermitted",
    });
  });

  it("cannot be public with an encrypted snapshot", async () => {
    await start();
    const id = await registerImage(clients, await wholeSnapshot(clients));
    aws.region("eu-west-1").encryptionByDefault = true;
    const copied = await copy(id);
    aws.advance(60);
    const publish = there.ec2.send(new ModifyImageAttributeCommand({ ImageId: copied, ...ALL }));
    await assert.rejects(publish, { name: "InvalidParameter" });
    const SnapshotId = snapshotOf(await image(copied, there));
    const grant = { SnapshotId, CreateVolumePermission: { Add: [{ Group: "all" as const }] } };
    await assert.rejects(there.ec2.send(new ModifySnapshotAttributeCommand(grant)), { name: "OperationNotPermitted" });
  });

  it("are hidden from others when deprecated, and from all lists when disabled", async () => {
    await start();
    const id = await registerImage(clients, await wholeSnapshot(clients));
    await clients.ec2.send(new ModifyImageAttributeCommand({ ImageId: id, ...ALL }));
    const farMs = 3 * 365 * 24 * 3600_000;
    const late = new EnableImageDeprecationCommand({ ImageId: id, DeprecateAt: new Date(Date.now() + farMs) });
    await assert.rejects(clients.ec2.send(late), { name: "InvalidParameterValue" });
    await clients.ec2.send(new EnableImageDeprecationCommand({ ImageId: id, DeprecateAt: new Date() }));
    const list = async ({ ec2 }: Clients, more: object) =>
      (await ec2.send(new DescribeImagesCommand({ Owners: [aws.state.account], ...more }))).Images?.length;
    const stranger = clientsOf(aws.envOf(OTHER));
    assert.deepEqual([await list(stranger, {}), await list(stranger, { IncludeDeprecated: true })], [0, 1]);
    assert.equal(await list(clients, {}), 1);
    await clients.ec2.send(new DisableImageCommand({ ImageId: id }));
    assert.deepEqual([await list(clients, {}), await list(clients, { IncludeDisabled: true })], [0, 1]);
    assert.equal((await image(id))?.Public, false);
  });

  it("hold their snapshots until they are deregistered", async () => {
    await start();
    const snapshot = await wholeSnapshot(clients);
    const id = await registerImage(clients, snapshot);
    const remove = () => clients.ec2.send(new DeleteSnapshotCommand({ SnapshotId: snapshot }));
    await assert.rejects(remove(), { name: "InvalidSnapshot.InUse" });
    await clients.ec2.send(new EnableImageDeregistrationProtectionCommand({ ImageId: id }));
    const request = new DeregisterImageCommand({ ImageId: id, DeleteAssociatedSnapshots: true });
    await assert.rejects(clients.ec2.send(request), { name: "OperationNotPermitted" });
    const record = aws.region("us-east-1").images.get(id);
    assert.ok(record);
    record.protection = "disabled";
    const { DeleteSnapshotResults } = await clients.ec2.send(request);
    assert.deepEqual(DeleteSnapshotResults, [{ SnapshotId: snapshot, ReturnCode: "success" }]);
    await assert.rejects(remove(), { name: "InvalidSnapshot.NotFound" });
  });

  it("are listed in pages, by filters with wildcards", async () => {
    await start({ limits: { pageSize: 2 } });
    const snapshot = await wholeSnapshot(clients);
    for (const name of ["one-1", "one-2", "one-3", "two-1"]) await registerImage(clients, snapshot, { Name: name });
    const names: (string | undefined)[] = [];
    const query = { Owners: ["self"], Filters: [{ Name: "name", Values: ["one-?"] }] };
    for await (const { Images = [] } of paginateDescribeImages({ client: clients.ec2 }, query)) {
      names.push(...Images.map(({ Name }) => Name));
    }
    assert.deepEqual(names, ["one-1", "one-2", "one-3"]);
    const first = await clients.ec2.send(new DescribeImagesCommand({ Owners: ["self"] }));
    assert.deepEqual([first.Images?.length, typeof first.NextToken], [2, "string"]);
    const both = clients.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [snapshot], MaxResults: 5 }));
    await assert.rejects(both, { name: "InvalidParameterCombination" });
  });
});

function snapshotOf(image: Image | undefined): string | undefined {
  return image?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId;
}
