/**
 * Google Cloud as far as a publisher meets it, on loopback: Compute Engine's images, instances and operations, Cloud Storage's JSON
 * API with resumable uploads, and the exchange of a workload's token. Compute's requests and answers are checked against the protocol
 * file of Google's own client library.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answerRequest, type Desk } from "./answer-request.ts";
import { faultsOf, type FaultRule, type Faults } from "./gcp-fault.ts";
import type { BucketRecord, Call, Delays, GcpEvent, GcpState, ImageRecord, Limits, World } from "./gcp-state.ts";
import { addImage } from "./image-record.ts";
import { Identity } from "./identity.ts";
import { rawDiskOf } from "./read-tarball.ts";

export interface GcpOptions {
  readonly project?: string;
  readonly buckets?: readonly string[];
  readonly faults?: readonly FaultRule[];
  readonly limits?: Partial<Limits>;
  readonly delays?: Partial<Delays>;
  /** Permissions that are refused: `compute.images.create`. */
  readonly denied?: readonly string[];
  readonly port?: number;
  readonly onInsertInstance?: World["onInsertInstance"];
}

export interface GcpCounterpart {
  readonly endpoint: string;
  /** What a process needs to find it; the credentials are its own, by application-default rules. */
  readonly env: Readonly<Record<string, string>>;
  readonly state: GcpState;
  readonly calls: readonly Call[];
  readonly events: readonly GcpEvent[];
  /** What requests and answers had that the vendor's models do not allow. */
  readonly violations: readonly string[];
  readonly faults: Faults;
  readonly limits: Limits;
  readonly delays: Delays;
  readonly denied: Set<string>;
  readonly forbiddenMembers: Set<string>;
  readonly identity: Identity;
  bucket(name: string): BucketRecord;
  /** One that can be started, and has no bytes. */
  addImage(name: string, given?: Partial<ImageRecord>): void;
  mutatingCalls(): readonly Call[];
  /** The disk of an image, holes as zeros. */
  rawDisk(image: string): AsyncIterable<Buffer>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const LIMITS: Limits = { images: 2000, pageSize: 500, rewriteBytes: 2 ** 30, serialBytes: 2 ** 20 };
const DELAYS: Delays = { imageMs: 20, visibleMs: 0, waitMs: 2_000 };

export async function startGcp(options: GcpOptions = {}): Promise<GcpCounterpart> {
  const folder = await mkdtemp(join(tmpdir(), "kvci-gcp-"));
  const desk = newDesk(options, folder);
  const { world, identity } = desk;
  const server = createServer((request, response) => void answerRequest(desk, request, response));
  // Clients keep connections for long; the end that closes first makes the other's next request fail.
  server.keepAliveTimeout = 120_000;
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  world.endpoint = endpoint;
  const close = async (): Promise<void> => {
    await Promise.allSettled([...world.state.instances.values()].map(async ({ machine }) => machine?.stop?.()));
    server.closeAllConnections();
    await new Promise<void>((resolve) => void server.close(() => resolve()));
    await Promise.all([...world.state.operations.values()].map(({ work }) => work));
    await rm(folder, { recursive: true, force: true });
  };
  return {
    ...view(desk),
    endpoint,
    env: environment(endpoint, await identity.writeCredentials(endpoint)),
    identity,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function newDesk(options: GcpOptions, folder: string): Desk {
  const { project = "kvci-project", buckets = ["kvci-bucket"] } = options;
  let number = 0;
  const world: World = {
    state: {
      project,
      images: new Map(),
      operations: new Map(),
      requestIds: new Map(),
      buckets: new Map(buckets.map((name) => [name, newBucket(name)])),
      sessions: new Map(),
      instances: new Map(),
      firewalls: new Map(),
    },
    folder,
    limits: { ...LIMITS, ...options.limits },
    delays: { ...DELAYS, ...options.delays },
    denied: new Set(options.denied),
    forbiddenMembers: new Set(),
    calls: [],
    events: [],
    violations: [],
    onInsertInstance: options.onInsertInstance,
    endpoint: "",
    nextNumber: () => ++number,
  };
  return { world, faults: faultsOf(options.faults ?? []), identity: new Identity(folder) };
}

function newBucket(name: string): BucketRecord {
  return {
    name,
    location: "US",
    uniform: false,
    publicAccessPrevention: "inherited",
    retentionSeconds: undefined,
    policy: { version: 1, etag: "CAE=", bindings: [] },
    objects: new Map(),
  };
}

function view({ world, faults }: Desk) {
  const found = <T>(map: ReadonlyMap<string, T>, name: string): T => {
    const value = map.get(name);
    if (value === undefined) throw new RangeError(`there is no ${name}`);
    return value;
  };
  return {
    state: world.state,
    calls: world.calls,
    events: world.events,
    violations: world.violations,
    faults,
    limits: world.limits,
    delays: world.delays,
    denied: world.denied,
    forbiddenMembers: world.forbiddenMembers,
    bucket: (name: string) => found(world.state.buckets, name),
    addImage: (name: string, given: Partial<ImageRecord> = {}) => void addImage(world, name, given),
    mutatingCalls: () => world.calls.filter(({ mutating }) => mutating),
    rawDisk: (name: string) => {
      const { file, tar } = found(world.state.images, name);
      if (tar === undefined) throw new RangeError(`the image ${name} is not ready`);
      return rawDiskOf(file, tar);
    },
  };
}

function environment(endpoint: string, credentials: string): Readonly<Record<string, string>> {
  return {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${endpoint}/compute/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${endpoint}/storage/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER: `${endpoint}/v1/`,
    GOOGLE_APPLICATION_CREDENTIALS: credentials,
    // Nothing is asked of a metadata server, wherever the tests run.
    METADATA_SERVER_DETECTION: "none",
  };
}
