import { z } from "zod";
import type { GcpAnswer, GcpRequest, GcpSend } from "./request.ts";

const bucket = z.object({
  name: z.string(),
  location: z.string(),
  locationType: z.string().optional(),
  iamConfiguration: z
    .object({
      publicAccessPrevention: z.string().optional(),
      uniformBucketLevelAccess: z.object({ enabled: z.boolean().optional() }).optional(),
    })
    .default({}),
  retentionPolicy: z.object({ retentionPeriod: z.string().optional() }).optional(),
});
const acl = z.object({ entity: z.string(), role: z.string() });
const storedObject = z.object({
  bucket: z.string(),
  name: z.string(),
  generation: z.string(),
  size: z.string(),
  crc32c: z.string(),
  timeCreated: z.string().default(""),
  metadata: z.record(z.string(), z.string()).default({}),
  /** Only with rights to see it, and where objects have lists of their own. */
  acl: z.array(acl).optional(),
});
const objectList = z.object({ items: z.array(storedObject).default([]), nextPageToken: z.string().optional() });
const rewrite = z.object({ done: z.boolean(), rewriteToken: z.string().optional(), resource: storedObject.optional() });
const permissions = z.object({ permissions: z.array(z.string()).default([]) });
const bucketPolicy = z.object({
  bindings: z.array(z.object({ role: z.string(), members: z.array(z.string()).default([]) })).default([]),
});

export type StorageBucket = Readonly<z.output<typeof bucket>>;
export type StoredObject = Readonly<z.output<typeof storedObject>>;
export type BucketPolicy = Readonly<z.output<typeof bucketPolicy>>;

export interface NewObject {
  readonly name: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What an upload session has of its object. */
export type SessionState =
  /** Bytes from the start that will not be asked for again. */
  | { readonly kind: "open"; readonly persistedBytes: number }
  | { readonly kind: "done"; readonly object: StoredObject }
  /** Sessions live for a week. */
  | { readonly kind: "gone" };

const CHUNK_MS = 10 * 60_000;
const SESSION_STATUSES = [308, 404, 410];

/** The bucket and objects that a release is made through. */
export type Storage = ReturnType<typeof storageOf>;

export function storageOf(send: GcpSend, place: { readonly bucket: string; readonly signal: AbortSignal }) {
  const base = `b/${encodeURIComponent(place.bucket)}`;
  const call: Call = (request, path = "") =>
    send({ ...request, to: { service: "storage", path: `${base}${path}` } }, place.signal);
  return {
    bucketName: place.bucket,
    ...bucketCalls(call),
    ...objectCalls(call, place.bucket),
    ...sessionCalls(send, { base, signal: place.signal }),
  };
}

type Call = (request: Omit<GcpRequest, "to">, path?: string) => Promise<GcpAnswer>;

function bucketCalls(call: Call) {
  return {
    bucket: async (): Promise<StorageBucket | undefined> => {
      const { status, body } = await call({ action: "storage.buckets.get", method: "GET", accept: [404] });
      return status === 404 ? undefined : bucket.parse(body);
    },
    /** Who may do what in the whole bucket. */
    bucketPolicy: async (): Promise<BucketPolicy> =>
      bucketPolicy.parse((await call({ action: "storage.buckets.getIamPolicy", method: "GET" }, "/iam")).body),
    /** Those of the permissions that we have. */
    allowed: async (asked: readonly string[]): Promise<readonly string[]> => {
      const request = { action: "storage.buckets.get", method: "GET", query: { permissions: asked } } as const;
      return permissions.parse((await call(request, "/iam/testPermissions")).body).permissions;
    },
  };
}

function objectCalls(call: Call, bucketName: string) {
  const objectPath = (name: string): string => `/o/${encodeURIComponent(name)}`;
  return {
    /** With its list of who may read it, where we may see that. */
    object: async (name: string): Promise<StoredObject | undefined> => {
      const request = { action: "storage.objects.get", method: "GET", accept: [404] } as const;
      const { status, body } = await call({ ...request, query: { projection: "full" } }, objectPath(name));
      return status === 404 ? undefined : storedObject.parse(body);
    },
    objects: (prefix: string) => allObjects(call, prefix),
    /** This very generation, or none; gone already is fine. */
    deleteObject: async (name: string, generation: string): Promise<void> => {
      const request = { action: "storage.objects.delete", method: "DELETE", accept: [404] } as const;
      await call({ ...request, query: { generation } }, objectPath(name));
    },
    /** Inside the service, without the bytes coming here; only where nothing has the name yet. */
    copyObject: (from: StoredObject, to: NewObject) => copied(call, { from, to, bucket: bucketName }),
    grantRead: async (name: string, entity: string): Promise<void> => {
      const request = { action: "storage.objects.setIamPolicy", method: "POST" } as const;
      await call({ ...request, body: { entity, role: "READER" } }, `${objectPath(name)}/acl`);
    },
    revokeRead: async (name: string, entity: string): Promise<void> => {
      const request = { action: "storage.objects.setIamPolicy", method: "DELETE", accept: [404] } as const;
      await call(request, `${objectPath(name)}/acl/${encodeURIComponent(entity)}`);
    },
  };
}

function sessionCalls(send: GcpSend, { base, signal }: { readonly base: string; readonly signal: AbortSignal }) {
  return {
    /** @returns the session's address: whoever has it may write the object, so it is kept secret. */
    startSession: (object: NewObject) => startSession(send, { base, object, signal }),
    putChunk: async (session: string, chunk: Chunk): Promise<SessionState> => {
      const { offset, data, totalBytes } = chunk;
      const range = data.length === 0 ? "*" : `${offset}-${offset + data.length - 1}`;
      return sessionCall(send, { session, signal, range: `bytes ${range}/${totalBytes ?? "*"}`, body: data });
    },
    sessionState: (session: string) =>
      sessionCall(send, { session, signal, range: "bytes */*", body: new Uint8Array(0) }),
    /** Gives the session up; answers 499 when that worked. */
    endSession: async (session: string): Promise<void> => {
      const accept = [404, 410, 499];
      await send({ action: "storage.objects.create", method: "DELETE", to: { session }, accept }, signal);
    },
  };
}

interface Chunk {
  readonly offset: number;
  readonly data: Uint8Array;
  /** Known with the last chunk. */
  readonly totalBytes?: number;
}

async function startSession(
  send: GcpSend,
  { base, object, signal }: { readonly base: string; readonly object: NewObject; readonly signal: AbortSignal },
): Promise<string> {
  const { headers } = await send(
    {
      action: "storage.objects.create",
      method: "POST",
      to: { service: "upload", path: `${base}/o` },
      query: { uploadType: "resumable", name: object.name, ifGenerationMatch: "0" },
      headers: { "x-upload-content-type": object.contentType },
      body: object,
    },
    signal,
  );
  return z.url().parse(headers.get("location"));
}

async function sessionCall(
  send: GcpSend,
  { session, signal, range, body }: { session: string; signal: AbortSignal; range: string; body: Uint8Array },
): Promise<SessionState> {
  const answer = await send(
    {
      action: "storage.objects.create",
      method: "PUT",
      to: { session },
      headers: { "content-range": range },
      body,
      accept: SESSION_STATUSES,
      timeoutMs: CHUNK_MS,
    },
    signal,
  );
  if (answer.status === 308) return { kind: "open", persistedBytes: persisted(answer.headers.get("range")) };
  return SESSION_STATUSES.includes(answer.status)
    ? { kind: "gone" }
    : { kind: "done", object: storedObject.parse(answer.body) };
}

/** `bytes=0-262143`; no range at all when nothing has been kept. */
function persisted(range: string | null): number {
  const last = /^bytes=0-(\d+)$/.exec(range ?? "")?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

async function allObjects(call: Call, prefix: string): Promise<StoredObject[]> {
  const all: StoredObject[] = [];
  let pageToken: string | undefined;
  do {
    const query = { prefix, maxResults: "500", pageToken };
    const page = objectList.parse((await call({ action: "storage.objects.list", method: "GET", query }, "/o")).body);
    all.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined && pageToken !== "");
  return all;
}

/** Large objects take several calls, each going on where the last one stopped. */
async function copied(
  call: Call,
  { from, to, bucket: id }: { readonly from: StoredObject; readonly to: NewObject; readonly bucket: string },
): Promise<StoredObject> {
  const target = `b/${encodeURIComponent(id)}/o/${encodeURIComponent(to.name)}`;
  const path = `/o/${encodeURIComponent(from.name)}/rewriteTo/${target}`;
  const { contentType, metadata } = to;
  let rewriteToken: string | undefined;
  for (;;) {
    const query = { ifGenerationMatch: "0", sourceGeneration: from.generation, rewriteToken };
    const answer = await call(
      { action: "storage.objects.create", method: "POST", query, body: { contentType, metadata } },
      path,
    );
    const { done, rewriteToken: next, resource } = rewrite.parse(answer.body);
    if (done && resource) return resource;
    rewriteToken = next;
  }
}
