import { createHash } from "node:crypto";
import type { AwsInput, AwsOutput } from "../src/aws/clients.ts";
import { awsTags, type Tags } from "../src/aws/managed-tags.ts";
import { KvciError } from "../src/core/error.ts";
import type { Arch } from "../src/core/platform.ts";

const MINUTE_MS = 60_000;
/** Minutes that an instance lives at most: several times what the longest suite takes. */
const LIFE_MINUTES = 180;
/** Milliseconds after which nothing of a boot can be in use: its life, and the time until its clock begins to run. */
export const EC2_BOOT_EXPIRES_MS = (LIFE_MINUTES + 30) * MINUTE_MS;

/** Types that every region has, by what the image is made for. */
const DEFAULT_TYPES: Partial<Record<Arch, string>> = { amd64: "t3.large", arm64: "t4g.large" };
/** EC2's names of architectures. */
const ARCHITECTURES: Partial<Record<Arch, string>> = { amd64: "x86_64", arm64: "arm64" };

/** @throws {KvciError} `environment-invalid` for a disk of an architecture that EC2 does not have. */
export function instanceTypeFor(arch: Arch, chosen: string | undefined): string {
  const type = chosen ?? DEFAULT_TYPES[arch];
  if (type !== undefined) return type;
  throw invalid(`EC2 has no ${arch} machines`, "Verify that build on another place.");
}

type InstanceType = NonNullable<AwsOutput<"ec2:DescribeInstanceTypes">["InstanceTypes"]>[number];

/** @throws {KvciError} `environment-invalid` for a type of another architecture than the disk's. */
export function assertFits(type: InstanceType, arch: Arch): void {
  const names: readonly string[] = type.ProcessorInfo?.SupportedArchitectures ?? [];
  if (names.includes(ARCHITECTURES[arch] ?? arch)) return;
  throw invalid(
    `${type.InstanceType ?? "the instance type"} is for ${names.join(" and ")}, and the disk for ${arch}`,
    "Set smokeInstanceType to a type of the image's architecture, or leave it out.",
  );
}

/** Whether guests of the instance may run virtual machines, when that is asked for. Bare metal has it without asking. */
export function hasNesting({ ProcessorInfo: processor }: InstanceType): boolean {
  const features: readonly string[] = processor?.SupportedFeatures ?? [];
  return features.includes("nested-virtualization");
}

export interface Ec2Boot {
  readonly image: string;
  readonly type: string;
  readonly nesting: boolean;
  readonly keyName: string;
  readonly groupId: string;
  readonly hostname: string;
  /** One line, as in authorized_keys. */
  readonly publicKey: string;
}

/** @param name of the instance: unique, so that a request that is repeated makes no second one. */
export function runRequest(name: string, tags: Tags, boot: Ec2Boot): AwsInput<"ec2:RunInstances"> {
  const { image, type, nesting, keyName, groupId } = boot;
  return {
    ImageId: image,
    MinCount: 1,
    MaxCount: 1,
    InstanceType: type as NonNullable<AwsInput<"ec2:RunInstances">["InstanceType"]>,
    ClientToken: tokenOf(name),
    KeyName: keyName,
    SecurityGroupIds: [groupId],
    UserData: Buffer.from(userData(boot)).toString("base64"),
    InstanceInitiatedShutdownBehavior: "terminate",
    MetadataOptions: { HttpEndpoint: "enabled", HttpTokens: "required" },
    ...(nesting ? { CpuOptions: { NestedVirtualization: "enabled" } } : {}),
    TagSpecifications: (["instance", "volume", "network-interface"] as const).map((ResourceType) => ({
      ResourceType,
      Tags: awsTags(tags),
    })),
  };
}

/** Also what an instance is found by, when the answer with its id was lost. */
export function tokenOf(name: string): string {
  return createHash("sha256").update(name).digest("hex");
}

/**
 * What the clone is told at its first boot, and nothing that would hide what came with the disk: see `cloneSeed` of the place for
 * QEMU. The timer is for the case that nobody is there any more to end the instance: EC2 has no such thing of its own, and an
 * instance that switches itself off is terminated. It is systemd's, for `shutdown +180` asks a bus that is not up yet, and not
 * waited for: timers begin when the system is initialized, which waits for cloud-init, and systemd-run waits for a timer to begin
 * in spite of `--no-block` (systemd 252). A guest that does not come as far as cloud-init is found by its tags.
 */
function userData({ hostname, publicKey }: Ec2Boot): string {
  const life = `systemd-run --unit=kvci-verify-end --on-active=${String(LIFE_MINUTES)}m systemctl poweroff > /dev/null 2>&1 &`;
  // JSON is YAML, so nothing needs quoting rules of its own.
  return `#cloud-config\n${JSON.stringify({
    hostname,
    disable_root: false,
    users: [],
    ssh_authorized_keys: [publicKey],
    ssh_deletekeys: false,
    bootcmd: [life],
  })}\n`;
}

function invalid(message: string, hint: string): KvciError {
  return new KvciError("environment-invalid", message, { hint });
}
