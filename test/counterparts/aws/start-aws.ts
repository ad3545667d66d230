/**
 * AWS as far as a publisher meets it, on loopback: EC2, EBS direct APIs, STS, SSM parameters and Service Quotas of any number of
 * regions behind one endpoint. Which service and region is meant is read from a request's signature, as every real endpoint checks
 * it. Requests and answers are checked against the vendor's published models.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { answerCall, type Desk } from "./answer-call.ts";
import { answerControl } from "./control.ts";
import { BLOCK_BYTES, blockDigest, GIB, newRegion, type AwsState, type RegionRecord } from "./aws-state.ts";
import { blocksInFolder, blocksInMemory } from "./block-store.ts";
import { faultsOf, type FaultPlan, type Faults } from "./fault-plan.ts";
import type { Incoming } from "./json-protocol.ts";
import { accessKeyOf } from "./request-scope.ts";
import { loadState, saveState, type Kept } from "./state-folder.ts";
import type { AwsEvent, Call, Delays, Limits, World } from "./world.ts";

export const DEFAULT_REGIONS: readonly string[] = [
  ..."us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1".split(
    " ",
  ),
  ..."eu-north-1 ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-southeast-1 ap-southeast-2".split(" "),
  ..."af-south-1 ap-east-1 eu-south-1 me-south-1 me-central-1".split(" "),
];
/** Regions that an account has to opt in to; in those the account of these tests has. */
const OPT_IN = new Set(["af-south-1", "ap-east-1", "eu-south-1", "me-south-1", "me-central-1"]);

export interface AwsOptions {
  /** Twelve digits. */
  readonly account?: string;
  readonly regions?: readonly string[];
  readonly faults?: FaultPlan;
  readonly limits?: Partial<Limits>;
  readonly delays?: Partial<Delays>;
  /** IAM actions that are refused: `ec2:RegisterImage`. */
  readonly denied?: readonly string[];
  /** Blocks are kept here instead of in memory; so is the state, when it is saved, and it is loaded from here. */
  readonly folder?: string;
  readonly port?: number;
  readonly onRunInstance?: World["onRunInstance"];
}

export interface AwsCounterpart {
  readonly endpoint: string;
  /** What a process needs to find it; credentials are of a session. */
  readonly env: Readonly<Record<string, string>>;
  readonly state: AwsState;
  readonly calls: readonly Call[];
  readonly events: readonly AwsEvent[];
  /** What requests and answers had that the vendor's models do not allow. */
  readonly violations: readonly string[];
  readonly faults: Faults;
  readonly limits: Limits;
  readonly delays: Delays;
  readonly denied: Set<string>;
  region(name: string): RegionRecord;
  /** The same for another account, which sees what is public or shared with it. */
  envOf(account: string): Readonly<Record<string, string>>;
  /** From now on the credentials given so far are expired; `renewed` are new ones. */
  expireSession(): { readonly renewed: Readonly<Record<string, string>> };
  mutatingCalls(): readonly Call[];
  /** The disk of a snapshot, holes as zeros, its parents' blocks in it; in chunks of 512 KiB. */
  snapshotBytes(region: string, id: string): AsyncIterable<Uint8Array>;
  /** Events that made something public before the first event that `when` accepts; all of them if there is none. */
  publicBefore(when: (event: AwsEvent) => boolean): readonly AwsEvent[];
  /** Moves the clock on, as if a test had waited. */
  advance(ms: number): void;
  save(): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const ACCOUNT = "123456789012";
const LIMITS: Limits = { publicImages: 5, concurrentCopies: 20, pendingSnapshots: 100, pageSize: 1000 };
const DELAYS: Delays = {
  completeMs: 20,
  copyMs: 50,
  registerMs: 0,
  visibleMs: 0,
  visibleLookups: 0,
  writableMs: 0,
  writableCalls: 0,
  instanceMs: 20,
  blockAccessMs: 0,
  minuteMs: 60_000,
};

export async function startAws(options: AwsOptions = {}): Promise<AwsCounterpart> {
  const { account = ACCOUNT, folder } = options;
  const desk = await newDesk(options);
  const server = createServer((request, response) => void serve(desk, request, response));
  // Clients keep connections for long; the end that closes first makes the other's next request fail.
  server.keepAliveTimeout = 120_000;
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const save = () => (folder === undefined ? Promise.resolve() : saveState(folder, desk.world));
  let closing: Promise<void> | undefined;
  const close = () => (closing ??= save().then(() => stop(server, desk.world)));
  let session = 1;
  const envOf = (owner: string) => environment(endpoint, owner, `session-${session}`);
  return {
    ...view(desk),
    endpoint,
    env: envOf(account),
    envOf,
    expireSession: () => {
      desk.expiredTokens.add(`session-${session++}`);
      return { renewed: envOf(account) };
    },
    advance: (ms) => void (desk.clock.aheadMs += ms),
    save,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function newDesk(options: AwsOptions): Promise<Desk & { readonly clock: { aheadMs: number } }> {
  const { folder } = options;
  const limits = { ...LIMITS, ...options.limits };
  const kept = (folder === undefined ? undefined : await loadState(folder)) ?? freshState(options, limits);
  const clock = { aheadMs: 0 };
  let { sequence } = kept;
  const world: World = {
    state: kept.state,
    blocks: folder === undefined ? blocksInMemory() : blocksInFolder(join(folder, "blocks")),
    limits,
    delays: { ...DELAYS, ...options.delays },
    denied: new Set(options.denied),
    calls: kept.calls,
    events: kept.events,
    machines: new Map(),
    stopping: [],
    onRunInstance: options.onRunInstance,
    now: () => Date.now() + clock.aheadMs,
    nextSequence: () => ++sequence,
  };
  return { world, clock, faults: faultsOf(options.faults ?? []), violations: [], expiredTokens: new Set() };
}

function freshState({ account = ACCOUNT, regions = DEFAULT_REGIONS }: AwsOptions, limits: Limits): Kept {
  const state = { account, regions: new Map(regions.map((name) => [name, regionOf(name, limits)])) };
  return { state, calls: [], events: [], sequence: 0 };
}

function regionOf(name: string, { publicImages }: Limits): RegionRecord {
  const region = newRegion(name, publicImages);
  region.optIn = OPT_IN.has(name) ? "opted-in" : "opt-in-not-required";
  return region;
}

function view(desk: Desk) {
  const { world, faults, violations } = desk;
  const region = (name: string): RegionRecord => {
    const found = world.state.regions.get(name);
    if (found === undefined) throw new RangeError(`no region ${name}`);
    return found;
  };
  return {
    state: world.state,
    calls: world.calls,
    events: world.events,
    violations,
    faults,
    limits: world.limits,
    delays: world.delays,
    denied: world.denied,
    region,
    mutatingCalls: () => world.calls.filter(({ mutating }) => mutating),
    snapshotBytes: (name: string, id: string) => snapshotBytes(world, region(name), id),
    publicBefore: (when: (event: AwsEvent) => boolean) => {
      const first = world.events.find(when)?.sequence ?? Infinity;
      return world.events.filter(({ kind, sequence }) => kind.endsWith("-public") && sequence < first);
    },
  };
}

async function* snapshotBytes(world: World, region: RegionRecord, id: string): AsyncGenerator<Uint8Array> {
  const snapshot = region.snapshots.get(id);
  if (snapshot === undefined) throw new RangeError(`no snapshot ${id} in ${region.name}`);
  const zeros = new Uint8Array(BLOCK_BYTES);
  for (let index = 0; index < (snapshot.volumeGiB * GIB) / BLOCK_BYTES; index++) {
    const digest = blockDigest(snapshot, index);
    yield digest === undefined ? zeros : await world.blocks.get(digest);
  }
}

function environment(endpoint: string, account: string, token: string): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: accessKeyOf(account),
    AWS_SECRET_ACCESS_KEY: "not-a-secret-of-anything",
    AWS_SESSION_TOKEN: token,
    AWS_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
    // No profile of whoever runs the tests.
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  };
}

async function serve(desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const incoming = await incomingOf(request);
    const outgoing = answerControl(desk, incoming) ?? (await answerCall(desk, incoming));
    if (outgoing === undefined) {
      request.socket.destroy();
      return;
    }
    const bytes = Buffer.from(outgoing.body);
    response.writeHead(outgoing.status, { ...outgoing.headers, "content-length": bytes.length }).end(bytes);
  } catch (error) {
    // A client that went away, or a fault of this server: neither may pass as an answer of AWS.
    if (!request.destroyed) desk.violations.push(`counterpart: ${error instanceof Error ? String(error.stack) : "?"}`);
    request.socket.destroy();
  }
}

async function incomingOf(request: IncomingMessage): Promise<Incoming> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
  return {
    method: request.method ?? "",
    url: new URL(request.url ?? "/", "http://localhost"),
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: Buffer.concat(chunks),
  };
}

async function stop(server: Server, { machines, stopping }: World): Promise<void> {
  const running = [...machines.values()].map(async (machine) => (await machine).stop?.());
  await Promise.allSettled([...running, ...stopping]);
  server.closeAllConnections();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
}
