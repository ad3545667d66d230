import type { TarIndex } from "./read-tarball.ts";

export type Json = Readonly<Record<string, unknown>>;

/** A member of JSON that is text; nothing for anything else. */
export function textIn(body: Json | undefined, name: string): string | undefined {
  const value = body?.[name];
  return typeof value === "string" ? value : undefined;
}

export interface Binding {
  readonly role: string;
  readonly members: readonly string[];
  readonly condition?: Json;
}

export interface Policy {
  version: number;
  etag: string;
  bindings: readonly Binding[];
}

export interface ImageRecord {
  readonly id: string;
  readonly name: string;
  readonly createdMs: number;
  status: "PENDING" | "READY" | "FAILED";
  /** When others' reads begin to see it. */
  visibleMs: number;
  description: string;
  family: string | undefined;
  readonly architecture: string | undefined;
  readonly guestOsFeatures: readonly string[];
  readonly licenses: readonly string[];
  readonly storageLocations: readonly string[];
  labels: Readonly<Record<string, string>>;
  labelFingerprint: string;
  deprecated: Json | undefined;
  policy: Policy;
  diskGiB: number;
  archiveBytes: number;
  /** The tarball as it was when the image was made, and where things are in it. */
  file: string;
  tar: TarIndex | undefined;
}

export interface OperationRecord {
  readonly name: string;
  readonly type: string;
  readonly targetLink: string;
  readonly zone: string | undefined;
  readonly startedMs: number;
  endedMs: number | undefined;
  error: { readonly code: string; readonly message: string; readonly status: number } | undefined;
  readonly work: Promise<void>;
}

export interface ObjectRecord {
  readonly name: string;
  readonly generation: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly size: number;
  readonly crc32c: string;
  readonly createdMs: number;
  /** Bytes on this machine. */
  readonly file: string;
  readers: string[];
}

export interface BucketRecord {
  readonly name: string;
  location: string;
  uniform: boolean;
  publicAccessPrevention: "enforced" | "inherited";
  retentionSeconds: number | undefined;
  policy: Policy;
  readonly objects: Map<string, ObjectRecord>;
}

export interface SessionRecord {
  readonly id: string;
  readonly bucket: string;
  readonly name: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ifGenerationMatch: string | undefined;
  readonly file: string;
  /** Bytes kept, from the start. */
  persisted: number;
  /** Bytes that were sent, more than once where they were. */
  received: number;
  state: "open" | "done" | "gone";
  object: ObjectRecord | undefined;
}

export interface InstanceRecord {
  readonly id: string;
  readonly name: string;
  readonly zone: string;
  readonly resource: Json;
  readonly image: string | undefined;
  status: "PROVISIONING" | "RUNNING" | "STOPPING" | "TERMINATED";
  machine: Machine | undefined;
}

/** What runs for an instance, when a test runs something. */
export interface Machine {
  /** Where it is reached: what the instance is said to have as its outer address. */
  readonly address?: string;
  readonly serial?: () => string;
  readonly stop?: () => Promise<void>;
}

export interface GcpState {
  readonly project: string;
  readonly images: Map<string, ImageRecord>;
  readonly operations: Map<string, OperationRecord>;
  /** What a request id stands for: the same call, answered with the same operation. */
  readonly requestIds: Map<string, { readonly call: string; readonly body: string; readonly operation: string }>;
  readonly buckets: Map<string, BucketRecord>;
  readonly sessions: Map<string, SessionRecord>;
  readonly instances: Map<string, InstanceRecord>;
  readonly firewalls: Map<string, Json>;
}

export interface Call {
  readonly name: string;
  readonly mutating: boolean;
  readonly status: number;
  /** Of the request's body. */
  readonly bytes: number;
}

/** What others could see from then on; in the order it happened. */
export interface GcpEvent {
  readonly kind:
    "image-made" | "image-public" | "family-set" | "object-public" | "image-deprecated" | "instance-started";
  readonly id: string;
  readonly sequence: number;
}

export interface Limits {
  images: number;
  /** Items of a page, whatever is asked for. */
  pageSize: number;
  /** Bytes of its console that an instance keeps. */
  serialBytes: number;
  /** Bytes that one rewrite call copies. */
  rewriteBytes: number;
}

export interface Delays {
  /** How long the making of an image takes beside reading its tarball. */
  imageMs: number;
  /** How long after it is made an image is not seen. */
  visibleMs: number;
  /** The longest that a wait waits. */
  waitMs: number;
}

export interface World {
  readonly state: GcpState;
  readonly folder: string;
  readonly limits: Limits;
  readonly delays: Delays;
  /** Permissions that are refused: `compute.images.create`. */
  readonly denied: Set<string>;
  /** Members that the organisation does not let in. */
  readonly forbiddenMembers: Set<string>;
  readonly calls: Call[];
  readonly events: GcpEvent[];
  readonly violations: string[];
  readonly onInsertInstance: ((instance: InstanceRecord, world: World) => Promise<Machine>) | undefined;
  endpoint: string;
  nextNumber(): number;
}

export function note(world: World, kind: GcpEvent["kind"], id: string): void {
  world.events.push({ kind, id, sequence: world.nextNumber() });
}
