/** Real clients of the SDK for a counterpart, and the calls that tests of it make again and again. */
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import {
  CompleteSnapshotCommand,
  EBSClient,
  PutSnapshotBlockCommand,
  StartSnapshotCommand,
  type StartSnapshotCommandInput,
} from "@aws-sdk/client-ebs";
import { EC2Client, RegisterImageCommand, type RegisterImageCommandInput } from "@aws-sdk/client-ec2";
import { ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import { SSMClient } from "@aws-sdk/client-ssm";
import { STSClient } from "@aws-sdk/client-sts";
import { BLOCK_BYTES } from "../counterparts/aws/aws-state.ts";
import type { AwsCounterpart } from "../counterparts/aws/start-aws.ts";

export type Clients = ReturnType<typeof clientsOf>;

/** One attempt each, so that a test sees what the server answers. */
export function clientsOf(env: AwsCounterpart["env"], region = "us-east-1") {
  const config = {
    region,
    endpoint: env["AWS_ENDPOINT_URL"] ?? "",
    maxAttempts: 1,
    credentials: {
      accessKeyId: env["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: env["AWS_SECRET_ACCESS_KEY"] ?? "",
      sessionToken: env["AWS_SESSION_TOKEN"] ?? "",
    },
  };
  return {
    ec2: new EC2Client(config),
    ebs: new EBSClient(config),
    ssm: new SSMClient(config),
    sts: new STSClient(config),
    quotas: new ServiceQuotasClient(config),
  };
}

export function block(fill: number): Buffer {
  return Buffer.alloc(BLOCK_BYTES, fill);
}

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

export async function startSnapshot({ ebs }: Clients, input: Partial<StartSnapshotCommandInput> = {}): Promise<string> {
  const { SnapshotId = "" } = await ebs.send(new StartSnapshotCommand({ VolumeSize: 1, ...input }));
  return SnapshotId;
}

export function putBlock({ ebs }: Clients, SnapshotId: string, [BlockIndex, bytes]: readonly [number, Buffer]) {
  const Checksum = digestOf(bytes).toString("base64");
  const checked = { Checksum, ChecksumAlgorithm: "SHA256" as const, DataLength: bytes.length };
  return ebs.send(new PutSnapshotBlockCommand({ SnapshotId, BlockIndex, BlockData: bytes, ...checked }));
}

/** SHA-256 over the raw digests of the blocks, which are given in the order of their indices. */
export function linear(blocks: readonly Buffer[]): string {
  return digestOf(Buffer.concat(blocks.map(digestOf))).toString("base64");
}

export function complete({ ebs }: Clients, SnapshotId: string, blocks: readonly Buffer[]) {
  const checked = { ChecksumAlgorithm: "SHA256", ChecksumAggregationMethod: "LINEAR" } as const;
  const counted = { ChangedBlocksCount: blocks.length, Checksum: linear(blocks) };
  return ebs.send(new CompleteSnapshotCommand({ SnapshotId, ...counted, ...checked }));
}

/** A completed snapshot of these blocks. */
export async function wholeSnapshot(
  clients: Clients,
  blocks: readonly (readonly [number, Buffer])[] = [[0, block(1)]],
  input: Partial<StartSnapshotCommandInput> = {},
): Promise<string> {
  const id = await startSnapshot(clients, input);
  await Promise.all(blocks.map((each) => putBlock(clients, id, each)));
  await complete(
    clients,
    id,
    blocks.map(([, bytes]) => bytes),
  );
  await wait(30);
  return id;
}

export function imageInput(SnapshotId: string, more: Partial<RegisterImageCommandInput> = {}) {
  return {
    Name: "kubevirt v1",
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    RootDeviceName: "/dev/xvda",
    EnaSupport: true,
    BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { SnapshotId, VolumeType: "gp3" } }],
    ...more,
  } satisfies RegisterImageCommandInput;
}

export async function registerImage(
  clients: Clients,
  SnapshotId: string,
  more: Partial<RegisterImageCommandInput> = {},
): Promise<string> {
  const { ImageId = "" } = await clients.ec2.send(new RegisterImageCommand(imageInput(SnapshotId, more)));
  return ImageId;
}
