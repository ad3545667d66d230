import { randomBytes } from "node:crypto";
import type { BlockDeviceMapping } from "@aws-sdk/client-ec2";

/** The only size of a block that EBS direct APIs know. */
export const BLOCK_BYTES = 524_288;
export const GIB = 1024 ** 3;

/** Delays what was made from being seen: until a time, and for a number of look-ups after it. */
export interface Visibility {
  fromMs: number;
  lookups: number;
}

/** With whom something is shared. */
export interface Sharing {
  /** Group `all`. */
  public: boolean;
  readonly users: Set<string>;
  readonly organizations: Set<string>;
  readonly units: Set<string>;
}

export interface SnapshotRecord {
  readonly id: string;
  readonly ownerId: string;
  readonly startedMs: number;
  readonly volumeGiB: number;
  readonly description: string;
  readonly tags: Map<string, string>;
  readonly parentId: string | undefined;
  /** The first of the snapshots that this one goes back to. */
  readonly lineage: string;
  readonly kmsKeyArn: string | undefined;
  /** Digests by block index; what is in neither is zero. `base` is the parent's. */
  readonly written: Map<number, string>;
  readonly base: ReadonlyMap<number, string>;
  /** Blocks as they are, not as the parent's plus those written here: for a copy. */
  readonly copyOf: { readonly region: string; readonly id: string } | undefined;
  readonly sharing: Sharing;
  readonly visible: Visibility;
  /** From when on, and for how many calls more, blocks are accepted. */
  readonly writable: Visibility;
  /** Without a block for so long it ends in error. */
  readonly timeoutMs: number;
  lastWriteMs: number;
  failed: boolean;
  /** Set when it is sealed; completed from then on. */
  completesMs: number | undefined;
}

export interface ImageRecord {
  readonly id: string;
  readonly name: string;
  readonly ownerId: string;
  readonly createdMs: number;
  readonly availableMs: number;
  readonly architecture: string;
  readonly rootDeviceName: string;
  readonly mappings: readonly BlockDeviceMapping[];
  readonly virtualizationType: string;
  readonly bootMode: string | undefined;
  readonly ena: boolean;
  readonly sriov: string | undefined;
  readonly tpm: string | undefined;
  readonly uefiData: string | undefined;
  readonly source: { readonly id: string; readonly region: string } | undefined;
  readonly tags: Map<string, string>;
  readonly sharing: Sharing;
  readonly visible: Visibility;
  description: string | undefined;
  imds: string | undefined;
  deprecateMs: number | undefined;
  disabled: boolean;
  protection: "disabled" | "enabled-with-cooldown" | "enabled-without-cooldown";
  lastLaunchedMs: number | undefined;
}

export interface ParameterVersion {
  readonly value: string;
  readonly type: string;
  readonly dataType: string;
  readonly description: string | undefined;
  readonly changedMs: number;
}

export interface ParameterRecord {
  readonly name: string;
  readonly tags: Map<string, string>;
  /** The first is version 1. */
  readonly versions: ParameterVersion[];
}

export interface InstanceRecord {
  readonly id: string;
  readonly imageId: string;
  readonly type: string;
  readonly keyName: string | undefined;
  readonly groupIds: readonly string[];
  readonly subnetId: string;
  readonly clientToken: string | undefined;
  readonly launchedMs: number;
  readonly runningMs: number;
  readonly userData: string | undefined;
  readonly tags: Map<string, string>;
  readonly volumeTags: Map<string, string>;
  readonly visible: Visibility;
  readonly architecture: string;
  readonly bootMode: string | undefined;
  readonly httpTokens: string;
  readonly publicIp: boolean;
  address: string | undefined;
  /** Why it never ran, where the machine behind it did not start. */
  failure: string | undefined;
  terminatedMs: number | undefined;
}

export interface KeyPairRecord {
  readonly id: string;
  readonly name: string;
  readonly type: "rsa" | "ed25519";
  readonly fingerprint: string;
  /** One line, as in authorized_keys. */
  readonly publicKey: string;
  readonly createdMs: number;
  readonly tags: Map<string, string>;
}

export interface IngressRule {
  readonly id: string;
  readonly protocol: string;
  readonly fromPort: number | undefined;
  readonly toPort: number | undefined;
  readonly cidr: string;
}

export interface SecurityGroupRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly vpcId: string;
  readonly tags: Map<string, string>;
  readonly ingress: IngressRule[];
}

export interface RegionRecord {
  readonly name: string;
  optIn: "opt-in-not-required" | "opted-in" | "not-opted-in";
  /** L-0E3CBAB9. */
  publicImageQuota: number;
  encryptionByDefault: boolean;
  imageBlock: { state: "unblocked" | "block-new-sharing"; managedBy: "account" | "declarative-policy" };
  snapshotBlock: {
    state: "unblocked" | "block-new-sharing" | "block-all-sharing";
    managedBy: "account" | "declarative-policy";
  };
  readonly vpcId: string;
  readonly snapshots: Map<string, SnapshotRecord>;
  readonly images: Map<string, ImageRecord>;
  readonly parameters: Map<string, ParameterRecord>;
  readonly instances: Map<string, InstanceRecord>;
  readonly keyPairs: Map<string, KeyPairRecord>;
  readonly securityGroups: Map<string, SecurityGroupRecord>;
  /** What a client token was given for, and what came of it. */
  readonly tokens: Map<string, { readonly digest: string; readonly ids: readonly string[] }>;
}

export interface AwsState {
  readonly account: string;
  readonly regions: Map<string, RegionRecord>;
}

export function newRegion(name: string, publicImageQuota: number): RegionRecord {
  return {
    name,
    optIn: "opt-in-not-required",
    publicImageQuota,
    encryptionByDefault: false,
    imageBlock: { state: "unblocked", managedBy: "account" },
    snapshotBlock: { state: "unblocked", managedBy: "account" },
    vpcId: newId("vpc"),
    snapshots: new Map(),
    images: new Map(),
    parameters: new Map(),
    instances: new Map(),
    keyPairs: new Map(),
    securityGroups: new Map(),
    tokens: new Map(),
  };
}

export function newId(prefix: string): string {
  return `${prefix}-${randomBytes(9).toString("hex").slice(0, 17)}`;
}

export function notShared(): Sharing {
  return { public: false, users: new Set(), organizations: new Set(), units: new Set() };
}

/** Digest of a block, or undefined where it is zero. */
export function blockDigest({ written, base }: SnapshotRecord, index: number): string | undefined {
  return written.get(index) ?? base.get(index);
}

/** Every block that is not a hole, the parent's among them, by index. */
export function blocksOf({ written, base }: SnapshotRecord): readonly (readonly [number, string])[] {
  return [...new Map([...base, ...written])].sort(([a], [b]) => a - b);
}

export type SnapshotPhase = "pending" | "completed" | "error";

export function phaseOf(snapshot: SnapshotRecord, nowMs: number): SnapshotPhase {
  if (snapshot.failed) return "error";
  if (snapshot.completesMs !== undefined) return nowMs >= snapshot.completesMs ? "completed" : "pending";
  return nowMs - snapshot.lastWriteMs > snapshot.timeoutMs ? "error" : "pending";
}

/** Counts a look-up of what is not seen yet. */
export function isVisible(visibility: Visibility, nowMs: number): boolean {
  if (nowMs < visibility.fromMs) return false;
  if (visibility.lookups <= 0) return true;
  visibility.lookups--;
  return false;
}
