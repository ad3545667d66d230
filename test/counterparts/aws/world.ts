/** What the services share: state, settings, the log of calls and events, and the clock. */
import { createHash } from "node:crypto";
import type { AwsState, ImageRecord, InstanceRecord, KeyPairRecord, RegionRecord, Visibility } from "./aws-state.ts";
import { AwsFault } from "./aws-fault.ts";
import type { Service } from "./aws-model.ts";
import type { BlockStore } from "./block-store.ts";

/** Numbers of the account; a test may change them at any time. */
export interface Limits {
  /** L-0E3CBAB9 of a region that says nothing else. */
  publicImages: number;
  /** Snapshot copies to a region at once. */
  concurrentCopies: number;
  /** Snapshots being written in a region at once. */
  pendingSnapshots: number;
  /** Most entries of an EC2 answer, whatever is asked for. */
  pageSize: number;
}

/** Milliseconds, but for what says otherwise. */
export interface Delays {
  completeMs: number;
  copyMs: number;
  registerMs: number;
  /** What was made is not seen for so long, and for so many look-ups. */
  visibleMs: number;
  visibleLookups: number;
  /** A started snapshot does not take blocks for so long, and for so many calls. */
  writableMs: number;
  writableCalls: number;
  instanceMs: number;
  /** A change of block public access acts after it. */
  blockAccessMs: number;
  /** What a minute of StartSnapshot's Timeout lasts. */
  minuteMs: number;
}

/** A call as it came in. */
export interface Call {
  readonly sequence: number;
  readonly atMs: number;
  readonly service: Service;
  readonly action: string;
  readonly region: string;
  readonly account: string;
  readonly requestId: string;
  /** Would change something: neither a look-up nor a dry run. */
  readonly mutating: boolean;
  /** By the model's names; without a block's bytes. */
  parameters: Readonly<Record<string, unknown>>;
  /** HTTP status of the answer; 0 when the connection was cut instead. */
  status: number;
  /** Code of an error. */
  code: string | undefined;
}

/** A change of state. `sequence` counts calls and events together. */
export interface AwsEvent {
  readonly sequence: number;
  readonly atMs: number;
  readonly region: string;
  readonly kind: EventKind;
  readonly id: string;
  readonly detail?: string;
}

export type EventKind =
  | "snapshot-started"
  | "snapshot-sealed"
  | "snapshot-shared"
  | "snapshot-unshared"
  | "snapshot-public"
  | "snapshot-private"
  | "snapshot-deleted"
  | "image-registered"
  | "image-copied"
  | "image-shared"
  | "image-unshared"
  | "image-public"
  | "image-private"
  | "image-deprecated"
  | "image-undeprecated"
  | "image-disabled"
  | "image-enabled"
  | "image-deregistered"
  | "parameter-set"
  | "parameter-deleted"
  | "instance-run"
  | "instance-terminated"
  | "key-pair-made"
  | "key-pair-deleted"
  | "security-group-made"
  | "security-group-deleted"
  | "tags-changed"
  | "settings-changed";

/** A machine that really runs behind an instance. */
export interface RunningMachine {
  /** Where its SSH answers; a test's address may carry a port of its own. */
  readonly publicIp: string;
  readonly sshPort?: number;
  consoleOutput(): Promise<string> | string;
  stop?(): Promise<void>;
}

export interface RunRequest {
  readonly image: ImageRecord;
  readonly region: string;
  /** Of the image's root device. */
  readonly snapshotId: string;
  readonly instance: InstanceRecord;
  readonly userData: string;
  readonly keyPair: KeyPairRecord | undefined;
}

export interface World {
  readonly state: AwsState;
  readonly blocks: BlockStore;
  readonly limits: Limits;
  readonly delays: Delays;
  /** IAM actions that are refused, as `ec2:RegisterImage`. */
  readonly denied: Set<string>;
  readonly calls: Call[];
  readonly events: AwsEvent[];
  readonly machines: Map<string, Promise<RunningMachine>>;
  /** Machines of terminated instances on their way out. */
  readonly stopping: Promise<void>[];
  readonly onRunInstance: ((request: RunRequest) => Promise<RunningMachine>) | undefined;
  now(): number;
  nextSequence(): number;
}

/** What a handler works with. */
export interface Context {
  readonly world: World;
  readonly region: RegionRecord;
  readonly account: string;
  readonly nowMs: number;
}

export type Actions = Readonly<Record<string, (input: never, context: Context) => unknown>>;

export function record({ world, region, nowMs }: Context, event: Pick<AwsEvent, "kind" | "id" | "detail">): void {
  world.events.push({ sequence: world.nextSequence(), atMs: nowMs, region: region.name, ...event });
}

export function newVisibility({ world: { delays }, nowMs }: Context): Visibility {
  return { fromMs: nowMs + delays.visibleMs, lookups: delays.visibleLookups };
}

/** The ids that a token was given before for the same request. A token of another request is refused with `code`. */
export function idsOfToken(
  { region, account }: Context,
  token: { readonly kind: string; readonly value: string | undefined; readonly request: object },
  code: string,
): { readonly known: readonly string[] | undefined; keep(ids: readonly string[]): void } {
  if (token.value === undefined) return { known: undefined, keep: () => {} };
  const key = `${account}/${token.kind}/${token.value}`;
  const digest = createHash("sha256")
    .update(JSON.stringify(Object.entries(token.request).sort(([a], [b]) => (a < b ? -1 : 1))))
    .digest("hex");
  const kept = region.tokens.get(key);
  if (kept !== undefined && kept.digest !== digest) {
    throw new AwsFault(code, `The client token ${token.value} was used for a request with other parameters.`);
  }
  return { known: kept?.ids, keep: (ids) => void region.tokens.set(key, { digest, ids }) };
}

/** A page of `all` from where the token says; `fail` makes the error of a token that is not one. */
export function pageOf<Entry>(
  all: readonly Entry[],
  { token, size, fail }: { readonly token: string | undefined; readonly size: number; fail(): AwsFault },
): { readonly entries: readonly Entry[]; readonly next: string | undefined } {
  const from = token === undefined ? 0 : Number(/^p(\d+)$/.exec(Buffer.from(token, "base64").toString())?.[1]);
  if (!Number.isInteger(from) || from > all.length) throw fail();
  const entries = all.slice(from, from + size);
  const to = from + entries.length;
  return { entries, next: to < all.length ? Buffer.from(`p${to}`).toString("base64") : undefined };
}
