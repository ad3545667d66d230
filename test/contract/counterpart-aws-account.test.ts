import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateKeyPairCommand,
  CreateSecurityGroupCommand,
  CreateTagsCommand,
  DeleteKeyPairCommand,
  DeleteSecurityGroupCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeRegionsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  DisableImageBlockPublicAccessCommand,
  GetConsoleOutputCommand,
  GetEbsEncryptionByDefaultCommand,
  GetImageBlockPublicAccessStateCommand,
  GetSnapshotBlockPublicAccessStateCommand,
  ImportKeyPairCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  type Filter,
  type Instance,
  type RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import { GetServiceQuotaCommand, paginateListServiceQuotas } from "@aws-sdk/client-service-quotas";
import {
  DeleteParameterCommand,
  GetParameterCommand,
  GetParameterHistoryCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  PutParameterCommand,
  type PutParameterCommandInput,
} from "@aws-sdk/client-ssm";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { generateKeyPair } from "../../src/machine/ssh2-machine.ts";
import { startAws, type AwsCounterpart, type AwsOptions } from "../counterparts/aws/start-aws.ts";
import type { RunRequest } from "../counterparts/aws/world.ts";
import { clientsOf, registerImage, startSnapshot, wholeSnapshot, type Clients } from "./aws-clients.ts";

describe("AWS counterpart's account", () => {
  let aws: AwsCounterpart;
  let clients: Clients;
  const start = async (options: AwsOptions = {}) => {
    aws = await startAws(options);
    clients = clientsOf(aws.env);
  };

  afterEach(async () => {
    assert.deepEqual(aws.violations, []);
    await aws.close();
  });

  it("says who asks, and which regions there are", async () => {
    await start();
    aws.region("me-south-1").optIn = "not-opted-in";
    const { Account, Arn } = await clients.sts.send(new GetCallerIdentityCommand({}));
    assert.deepEqual([Account, Arn], ["123456789012", "arn:aws:iam::123456789012:user/publisher"]);
    const list = async (AllRegions: boolean) =>
      (await clients.ec2.send(new DescribeRegionsCommand({ AllRegions }))).Regions ?? [];
    const all = await list(true);
    assert.ok(all.length >= 20);
    assert.equal((await list(false)).length, all.length - 1);
    const status = all.find(({ RegionName }) => RegionName === "me-south-1")?.OptInStatus;
    assert.equal(status, "not-opted-in");
  });

  it("says what quotas and settings it has, by region", async () => {
    await start();
    aws.region("eu-west-1").publicImageQuota = 9;
    const quota = async ({ quotas }: Clients) =>
      (await quotas.send(new GetServiceQuotaCommand({ ServiceCode: "ec2", QuotaCode: "L-0E3CBAB9" }))).Quota?.Value;
    assert.deepEqual([await quota(clients), await quota(clientsOf(aws.env, "eu-west-1"))], [5, 9]);
    const request = { ServiceCode: "ec2", MaxResults: 3 };
    let pages = 0;
    for await (const { Quotas } of paginateListServiceQuotas({ client: clients.quotas }, request)) {
      pages += (Quotas?.length ?? 0) ? 1 : 0;
    }
    assert.equal(pages, 2);
    aws.region("us-east-1").imageBlock = { state: "block-new-sharing", managedBy: "declarative-policy" };
    const image = await clients.ec2.send(new GetImageBlockPublicAccessStateCommand({}));
    assert.deepEqual([image.ImageBlockPublicAccessState, image.ManagedBy], ["block-new-sharing", "declarative-policy"]);
    const lift = clients.ec2.send(new DisableImageBlockPublicAccessCommand({}));
    await assert.rejects(lift, { name: "OperationNotPermitted" });
    const snapshot = await clients.ec2.send(new GetSnapshotBlockPublicAccessStateCommand({}));
    assert.deepEqual([snapshot.State, snapshot.ManagedBy], ["unblocked", "account"]);
    const { EbsEncryptionByDefault } = await clients.ec2.send(new GetEbsEncryptionByDefaultCommand({}));
    assert.equal(EbsEncryptionByDefault, false);
  });

  it("keeps parameters with their versions", async () => {
    await start();
    const { ssm } = clients;
    const put = (input: Partial<PutParameterCommandInput>) =>
      ssm.send(new PutParameterCommand({ Name: "/kubevirt/latest", Value: "one", Type: "String", ...input }));
    const get = (Name: string) => ssm.send(new GetParameterCommand({ Name }));
    await assert.rejects(get("/kubevirt/latest"), { name: "ParameterNotFound" });
    assert.equal((await put({})).Version, 1);
    await assert.rejects(put({ Value: "two" }), { name: "ParameterAlreadyExists" });
    assert.equal((await put({ Value: "two", Overwrite: true })).Version, 2);
    await assert.rejects(put({ Overwrite: true, Tags: [{ Key: "a", Value: "b" }] }), { name: "ValidationException" });
    await assert.rejects(put({ Name: "/aws/mine" }), { name: "AccessDeniedException" });
    const values = [await get("/kubevirt/latest"), await get("/kubevirt/latest:1")].map(
      (each) => each.Parameter?.Value,
    );
    assert.deepEqual(values, ["two", "one"]);
    const some = await ssm.send(new GetParametersCommand({ Names: ["/kubevirt/latest", "/nothing"] }));
    assert.deepEqual([some.Parameters?.length, some.InvalidParameters], [1, ["/nothing"]]);
    const below = await ssm.send(new GetParametersByPathCommand({ Path: "/kubevirt" }));
    assert.equal(below.Parameters?.[0]?.Version, 2);
    const history = await ssm.send(new GetParameterHistoryCommand({ Name: "/kubevirt/latest" }));
    assert.deepEqual(
      history.Parameters?.map(({ Version, Value }) => [Version, Value]),
      [
        [1, "one"],
        [2, "two"],
      ],
    );
    await ssm.send(new DeleteParameterCommand({ Name: "/kubevirt/latest" }));
    await assert.rejects(get("/kubevirt/latest"), { name: "ParameterNotFound" });
  });

  it("does not keep a parameter for an image that is not there", async () => {
    await start();
    const put = (Value: string) =>
      clients.ssm.send(
        new PutParameterCommand({ Name: "/image", Value, Type: "String", DataType: "aws:ec2:image", Overwrite: true }),
      );
    await assert.rejects(put("not an image"), { name: "ValidationException" });
    await put("ami-00000000000000000");
    assert.equal(aws.region("us-east-1").parameters.size, 0);
    const id = await registerImage(clients, await wholeSnapshot(clients));
    await put(id);
    const { Parameter } = await clients.ssm.send(new GetParameterCommand({ Name: "/image" }));
    assert.deepEqual([Parameter?.Value, Parameter?.DataType], [id, "aws:ec2:image"]);
  });

  it("changes tags of what there is", async () => {
    await start();
    const id = await startSnapshot(clients, { Tags: [{ Key: "a", Value: "1" }] });
    const Tags = [{ Key: "b", Value: "2" }];
    await clients.ec2.send(new CreateTagsCommand({ Resources: [id], Tags }));
    assert.deepEqual([...(aws.region("us-east-1").snapshots.get(id)?.tags ?? [])].flat(), ["a", "1", "b", "2"]);
    const lost = clients.ec2.send(new CreateTagsCommand({ Resources: ["ami-00000000000000000"], Tags }));
    await assert.rejects(lost, { name: "InvalidAMIID.NotFound" });
  });

  it("runs an instance of a private image, with a machine behind it, and ends it", async () => {
    const requests: RunRequest[] = [];
    let stopped = 0;
    await start({
      onRunInstance: async (request) => {
        requests.push(request);
        return { publicIp: "127.0.0.9", consoleOutput: () => "login:", stop: async () => void stopped++ };
      },
    });
    const { ec2 } = clients;
    const snapshot = await wholeSnapshot(clients);
    const ImageId = await registerImage(clients, snapshot, { BootMode: "uefi", ImdsSupport: "v2.0" });
    const { publicKey } = generateKeyPair("verify");
    const PublicKeyMaterial = Buffer.from(publicKey);
    await ec2.send(new ImportKeyPairCommand({ KeyName: "kvci", PublicKeyMaterial }));
    const { VpcId, SubnetId } = await networkOf(clients);
    const group = { GroupName: "kvci", Description: "kvci", VpcId };
    const { GroupId = "" } = await ec2.send(new CreateSecurityGroupCommand(group));
    const rule = { GroupId, IpProtocol: "tcp", FromPort: 22, ToPort: 22, CidrIp: "192.0.2.7/32" };
    await ec2.send(new AuthorizeSecurityGroupIngressCommand(rule));
    await assert.rejects(ec2.send(new AuthorizeSecurityGroupIngressCommand(rule)), {
      name: "InvalidPermission.Duplicate",
    });
    const request: RunInstancesCommandInput = {
      ...{ ImageId, InstanceType: "t3.micro", MinCount: 1, MaxCount: 1, KeyName: "kvci", ClientToken: "run-1" },
      ...{ SecurityGroupIds: [GroupId], SubnetId },
      UserData: Buffer.from("#cloud-config\n").toString("base64"),
      TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "kvci:run", Value: "r1" }] }],
    };
    const run = (more: Partial<RunInstancesCommandInput> = {}) => runInstance(clients, { ...request, ...more });
    const arm = { InstanceType: "m7g.large", ClientToken: "run-2" } as const;
    await assert.rejects(run(arm), { name: "InvalidParameterValue" });
    await assert.rejects(run({ KeyName: "none", ClientToken: "run-3" }), { name: "InvalidKeyPair.NotFound" });
    const id = await run();
    assert.equal(await run(), id);
    await wait(40);
    const Filters = [{ Name: "tag:kvci:run", Values: ["r1"] }];
    const show = () => firstInstance(clients, Filters);
    const running = await show();
    const state = { State: { Name: "running" as const }, PublicIpAddress: "127.0.0.9" };
    assert.partialDeepStrictEqual(running, { ...state, BootMode: "uefi", MetadataOptions: { HttpTokens: "required" } });
    const machine = { snapshotId: snapshot, userData: "#cloud-config\n", keyPair: { publicKey: publicKey.trim() } };
    assert.equal(requests.length, 1);
    assert.partialDeepStrictEqual(requests[0], machine);
    const { Output = "" } = await ec2.send(new GetConsoleOutputCommand({ InstanceId: id }));
    assert.equal(Buffer.from(Output, "base64").toString(), "login:");
    const removeGroup = () => ec2.send(new DeleteSecurityGroupCommand({ GroupId }));
    await assert.rejects(removeGroup(), { name: "DependencyViolation" });
    const ending = await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    const change = { InstanceId: id, CurrentState: { Name: "shutting-down" as const } };
    assert.partialDeepStrictEqual(ending, { TerminatingInstances: [change] });
    await wait(40);
    assert.partialDeepStrictEqual(await show(), { State: { Name: "terminated" } });
    await removeGroup();
    await ec2.send(new DeleteKeyPairCommand({ KeyName: "kvci" }));
    assert.equal(stopped, 1);
    assert.equal(aws.region("us-east-1").keyPairs.size, 0);
  });

  it("says of an instance whose machine did not start that it ended", async () => {
    await start({ onRunInstance: () => Promise.reject(new RangeError("no room")) });
    const ImageId = await registerImage(clients, await wholeSnapshot(clients));
    const request = { ImageId, InstanceType: "t3.micro" as const, MinCount: 1, MaxCount: 1 };
    await clients.ec2.send(new RunInstancesCommand(request));
    await wait(40);
    const ended = await firstInstance(clients, []);
    assert.partialDeepStrictEqual(ended, { State: { Name: "terminated" }, StateReason: { Message: "no room" } });
  });

  it("makes key pairs that ssh takes", async () => {
    await start();
    const make = async (KeyType: "rsa" | "ed25519") =>
      (await clients.ec2.send(new CreateKeyPairCommand({ KeyName: KeyType, KeyType }))).KeyMaterial ?? "";
    assert.match(await make("rsa"), /^-----BEGIN RSA PRIVATE KEY-----/);
    assert.match(await make("ed25519"), /^-----BEGIN OPENSSH PRIVATE KEY-----/);
    await assert.rejects(make("rsa"), { name: "InvalidKeyPair.Duplicate" });
  });

  it("knows types of instances with virtual machines in them", async () => {
    await start();
    const nested = { Name: "processor-info.supported-features", Values: ["nested-virtualization"] };
    const { InstanceTypes } = await clients.ec2.send(new DescribeInstanceTypesCommand({ Filters: [nested] }));
    assert.ok(InstanceTypes?.some(({ InstanceType }) => InstanceType === "m8i.large"));
  });
});

describe("AWS counterpart in a process of its own", () => {
  it("prints what clients need, and ends when it is told to", async () => {
    const script = join(import.meta.dirname, "../counterparts/aws/serve.ts");
    const child = spawn(process.execPath, ["--conditions=kvci-source", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    after(() => void child.kill());
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const env = JSON.parse(line.toString()) as Record<string, string>;
    const endpoint = env["AWS_ENDPOINT_URL"] ?? "";
    const rules = [{ kind: "throttle", service: "sts" }];
    await fetch(`${endpoint}/_counterpart/faults`, { method: "POST", body: JSON.stringify(rules) });
    const { sts } = clientsOf(env);
    const ask = () => sts.send(new GetCallerIdentityCommand({}));
    await assert.rejects(ask(), { name: "Throttling" });
    assert.equal((await ask()).Account, "123456789012");
    const calls = (await (await fetch(`${endpoint}/_counterpart/calls`)).json()) as { readonly action: string }[];
    assert.equal(calls.length, 2);
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null]);
  });
});

async function networkOf({ ec2 }: Clients): Promise<{ readonly VpcId: string; readonly SubnetId: string }> {
  const { Vpcs } = await ec2.send(new DescribeVpcsCommand({ Filters: [{ Name: "is-default", Values: ["true"] }] }));
  const VpcId = Vpcs?.[0]?.VpcId ?? "";
  const { Subnets } = await ec2.send(new DescribeSubnetsCommand({ Filters: [{ Name: "vpc-id", Values: [VpcId] }] }));
  return { VpcId, SubnetId: Subnets?.[0]?.SubnetId ?? "" };
}

async function runInstance({ ec2 }: Clients, request: RunInstancesCommandInput): Promise<string> {
  return (await ec2.send(new RunInstancesCommand(request))).Instances?.[0]?.InstanceId ?? "";
}

async function firstInstance({ ec2 }: Clients, Filters: Filter[]): Promise<Instance | undefined> {
  return (await ec2.send(new DescribeInstancesCommand({ Filters }))).Reservations?.[0]?.Instances?.[0];
}
