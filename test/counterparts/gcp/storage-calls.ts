import { pageOf } from "./compute-images.ts";
import { GcpFault, invalid } from "./gcp-fault.ts";
import { note, type BucketRecord, type Json, type ObjectRecord } from "./gcp-state.ts";
import type { Outgoing, StorageCall } from "./storage-call.ts";
import { beginSession, endSession, isQuestion, putChunk } from "./storage-sessions.ts";
import { checkStorageRequest } from "./storage-shapes.ts";
import { assertGeneration, bucketNamed, nextGeneration, objectBody, objectNamed } from "./stored-objects.ts";

type Handler = (call: StorageCall) => Outgoing | Promise<Outgoing>;

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly name: string;
  readonly permission: string;
  readonly run: Handler;
}

const BUCKET = "/storage/v1/b/(?<bucket>[^/]+)";

/** @param names of the call, and of the permission that it takes. */
function route(
  [method, path]: readonly [string, string],
  [name, permission]: readonly [string, string],
  run: Handler,
): Route {
  return { method, pattern: new RegExp(`^${path}$`), name, permission, run };
}

const ROUTES: readonly Route[] = [
  route(["GET", BUCKET], ["storage.buckets.get", "storage.buckets.get"], (call) => ({
    status: 200,
    body: bucketBody(bucketOf(call)),
  })),
  route(["GET", `${BUCKET}/iam`], ["storage.buckets.getIamPolicy", "storage.buckets.getIamPolicy"], (call) => ({
    status: 200,
    body: { kind: "storage#policy", ...bucketOf(call).policy },
  })),
  route(["GET", `${BUCKET}/iam/testPermissions`], ["storage.buckets.testIamPermissions", ""], (call) => {
    bucketOf(call);
    const permissions = call.query.getAll("permissions").filter((each) => !call.world.denied.has(each));
    return {
      status: 200,
      body: { kind: "storage#testIamPermissionsResponse", ...(permissions.length > 0 ? { permissions } : {}) },
    };
  }),
  route(["GET", `${BUCKET}/o`], ["storage.objects.list", "storage.objects.list"], listObjects),
  route(["GET", `${BUCKET}/o/(?<object>[^/]+)`], ["storage.objects.get", "storage.objects.get"], getObject),
  route(["DELETE", `${BUCKET}/o/(?<object>[^/]+)`], ["storage.objects.delete", "storage.objects.delete"], (call) => {
    const object = objectOf(call);
    assertGeneration(bucketOf(call), object.name, call.query.get("ifGenerationMatch"));
    bucketOf(call).objects.delete(object.name);
    return { status: 204 };
  }),
  route(
    ["POST", `${BUCKET}/o/(?<object>[^/]+)/rewriteTo/b/(?<toBucket>[^/]+)/o/(?<toObject>[^/]+)`],
    ["storage.objects.rewrite", "storage.objects.create"],
    rewriteObject,
  ),
  route(
    ["POST", `${BUCKET}/o/(?<object>[^/]+)/acl`],
    ["storage.objectAccessControls.insert", "storage.objects.setIamPolicy"],
    grant,
  ),
  route(
    ["DELETE", `${BUCKET}/o/(?<object>[^/]+)/acl/(?<entity>[^/]+)`],
    ["storage.objectAccessControls.delete", "storage.objects.setIamPolicy"],
    (call) => {
      const object = objectOf(call);
      const { entity = "" } = call.path;
      if (!object.readers.includes(entity)) throw new GcpFault(404, "notFound", "Not Found");
      object.readers = object.readers.filter((each) => each !== entity);
      return { status: 204 };
    },
  ),
  route(
    ["POST", "/upload/storage/v1/b/(?<bucket>[^/]+)/o"],
    ["storage.objects.insert", "storage.objects.create"],
    beginSession,
  ),
  // Whoever has a session's address may use it: no permission is asked for.
  route(["PUT", "/upload/storage/v1/b/(?<bucket>[^/]+)/o"], ["storage.sessions.put", ""], putChunk),
  route(["DELETE", "/upload/storage/v1/b/(?<bucket>[^/]+)/o"], ["storage.sessions.delete", ""], endSession),
];

export interface StorageRouted {
  readonly name: string;
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
  readonly isSession: boolean;
  readonly mutating: boolean;
}

export function storageRoute(
  method: string,
  pathname: string,
  headers: Readonly<Record<string, string>>,
): StorageRouted | undefined {
  for (const each of ROUTES) {
    const groups = each.method === method ? each.pattern.exec(pathname) : null;
    if (groups === null) continue;
    const values = Object.entries(groups.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]);
    const isSession = each.name.startsWith("storage.sessions.");
    const asks = each.name === "storage.sessions.put" && isQuestion(headers);
    return {
      name: asks ? "storage.sessions.query" : each.name,
      route: each,
      path: Object.fromEntries(values) as Record<string, string>,
      isSession,
      mutating: method !== "GET" && !asks,
    };
  }
  return undefined;
}

export async function answerStorage(
  { name, route: { permission, run } }: StorageRouted,
  call: StorageCall,
): Promise<Outgoing> {
  const { world, query, body } = call;
  const problems = checkStorageRequest(name, query, body);
  if (problems.length > 0) {
    world.violations.push(...problems);
    throw invalid(problems.join("; "));
  }
  if (permission !== "" && world.denied.has(permission)) {
    throw new GcpFault(
      403,
      "forbidden",
      `publisher does not have ${permission} access to the Google Cloud Storage bucket.`,
    );
  }
  return run(call);
}

function bucketOf({ world, path }: StorageCall): BucketRecord {
  return bucketNamed(world, path["bucket"] ?? "");
}

function objectOf(call: StorageCall): ObjectRecord {
  return objectNamed(bucketOf(call), call.path["object"] ?? "", call.query.get("generation"));
}

function bucketBody({ name, location, uniform, publicAccessPrevention, retentionSeconds }: BucketRecord): Json {
  return {
    kind: "storage#bucket",
    id: name,
    name,
    location,
    locationType: location.length < 5 ? "multi-region" : "region",
    storageClass: "STANDARD",
    iamConfiguration: { publicAccessPrevention, uniformBucketLevelAccess: { enabled: uniform } },
    ...(retentionSeconds === undefined ? {} : { retentionPolicy: { retentionPeriod: String(retentionSeconds) } }),
  };
}

function listObjects(call: StorageCall): Outgoing {
  const bucket = bucketOf(call);
  const prefix = call.query.get("prefix") ?? "";
  const found = [...bucket.objects.values()].filter(({ name }) => name.startsWith(prefix));
  const sorted = found
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((each) => objectBody(bucket, each, { full: false }));
  return { status: 200, body: { kind: "storage#objects", ...pageOf(sorted, call) } };
}

function getObject(call: StorageCall): Outgoing {
  const object = objectOf(call);
  if (call.query.get("alt") === "media") {
    return {
      status: 200,
      file: object.file,
      headers: { "content-type": object.contentType, "content-length": String(object.size) },
    };
  }
  return { status: 200, body: objectBody(bucketOf(call), object, { full: call.query.get("projection") === "full" }) };
}

/** Large objects are copied in several calls. */
function rewriteObject(call: StorageCall): Outgoing {
  const { world, path, query, body } = call;
  const source = objectNamed(bucketOf(call), path["object"] ?? "", query.get("sourceGeneration"));
  const target = bucketNamed(world, path["toBucket"] ?? "");
  const name = path["toObject"] ?? "";
  assertGeneration(target, name, query.get("ifGenerationMatch"));
  const done = copiedBefore(query) + world.limits.rewriteBytes;
  const base = { kind: "storage#rewriteResponse", objectSize: String(source.size) };
  if (done < source.size) {
    return {
      status: 200,
      body: { ...base, done: false, totalBytesRewritten: String(done), rewriteToken: `rewrite:${done}` },
    };
  }
  const given = (body ?? {}) as Partial<ObjectRecord>;
  const identity = { name, generation: nextGeneration(world), createdMs: Date.now(), readers: [] };
  const copy: ObjectRecord = { ...source, ...given, ...identity };
  target.objects.set(name, copy);
  const resource = objectBody(target, copy, { full: false });
  return { status: 200, body: { ...base, done: true, totalBytesRewritten: String(source.size), resource } };
}

/** The token of the call before says how far it was. */
function copiedBefore(query: URLSearchParams): number {
  return Number(query.get("rewriteToken")?.split(":")[1] ?? "0");
}

function grant(call: StorageCall): Outgoing {
  const bucket = bucketOf(call);
  const object = objectOf(call);
  const { entity = "", role = "" } = call.body as { entity?: string; role?: string };
  if (!/^(?:allUsers|allAuthenticatedUsers|(?:user|group|domain|project)-.+)$/.test(entity)) {
    throw invalid(`Invalid entity ${entity}`);
  }
  if (role !== "READER") throw invalid(`Invalid role ${role}`);
  assertOpen(bucket, entity);
  object.readers = [...new Set([...object.readers, entity])];
  if (entity.startsWith("all")) note(call.world, "object-public", `${bucket.name}/${object.name}`);
  return { status: 200, body: { kind: "storage#objectAccessControl", entity, role } };
}

function assertOpen({ uniform, publicAccessPrevention }: BucketRecord, entity: string): void {
  if (uniform) {
    throw invalid("Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled.");
  }
  if (publicAccessPrevention === "enforced" && entity.startsWith("all")) {
    const message =
      "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is enforced.";
    throw new GcpFault(412, "conditionNotMet", message);
  }
}
