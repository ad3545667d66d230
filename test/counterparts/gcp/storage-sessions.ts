import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { GcpFault, invalid, type FaultRule } from "./gcp-fault.ts";
import type { ObjectRecord, SessionRecord, World } from "./gcp-state.ts";
import type { Outgoing, StorageCall } from "./storage-call.ts";
import { assertGeneration, bucketNamed, crc32cOf, nextGeneration, objectBody } from "./stored-objects.ts";

/** Chunks are whole multiples of this, but for the last. */
const UNIT = 256 * 1024;
/** Of a session that was given up. */
const CLIENT_CLOSED = 499;

interface NewObject {
  readonly name?: string;
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Begins a session; its address is all that it takes to go on. */
export async function beginSession({ world, path, query, body, headers }: StorageCall): Promise<Outgoing> {
  if (query.get("uploadType") !== "resumable") throw invalid("Only resumable uploads are taken here.");
  const bucket = bucketNamed(world, path["bucket"] ?? "");
  const { name, contentType, metadata } = newObject(query, body ?? {});
  const expected = query.get("ifGenerationMatch");
  assertGeneration(bucket, name, expected);
  const id = `session-${world.nextNumber()}-${Math.random().toString(36).slice(2)}`;
  const session: SessionRecord = {
    id,
    bucket: bucket.name,
    name,
    contentType: headers["x-upload-content-type"] ?? contentType,
    metadata,
    ifGenerationMatch: expected ?? undefined,
    file: join(world.folder, id),
    persisted: 0,
    received: 0,
    state: "open",
    object: undefined,
  };
  await (await open(session.file, "w")).close();
  world.state.sessions.set(id, session);
  const location = new URL(`/upload/storage/v1/b/${bucket.name}/o`, world.endpoint);
  location.search = new URLSearchParams({ uploadType: "resumable", name, upload_id: id }).toString();
  return { status: 200, headers: { location: location.href, "x-guploader-uploadid": id } };
}

function newObject(query: URLSearchParams, given: NewObject): Required<NewObject> {
  const name = query.get("name") ?? given.name ?? "";
  if (name === "") throw new GcpFault(400, "required", "Required");
  return { name, contentType: given.contentType ?? "application/octet-stream", metadata: given.metadata ?? {} };
}

function sessionOf({ state }: World, query: URLSearchParams): SessionRecord {
  const session = state.sessions.get(query.get("upload_id") ?? "");
  if (session === undefined) throw new GcpFault(404, "notFound", "No such upload session.");
  if (session.state === "gone") throw new GcpFault(410, "gone", "The upload session is no longer valid.");
  return session;
}

export function endSession({ world, query }: StorageCall): Outgoing {
  const session = sessionOf(world, query);
  session.state = "gone";
  return { status: CLIENT_CLOSED };
}

interface Range {
  readonly from: number;
  /** Behind the last byte. */
  readonly end: number;
  readonly total: number | undefined;
}

/** `bytes 0-524287/*`, `bytes 524288-600000/600001`, `bytes * /600001`; undefined for a question. */
function rangeOf(header: string | undefined): Range | undefined {
  const parts = /^bytes (?:(?<from>\d+)-(?<last>\d+)|\*)\/(?<total>\d+|\*)$/.exec(header ?? "")?.groups;
  if (parts === undefined) throw invalid(`Invalid Content-Range: ${header ?? "none"}`);
  const { from, last } = parts;
  const total = parts["total"] === "*" ? undefined : Number(parts["total"]);
  if (from !== undefined) return { from: Number(from), end: Number(last) + 1, total };
  // No bytes of its own: the end of what is there already, or a question.
  return total === undefined ? undefined : { from: total, end: total, total };
}

/** Is this PUT a question, or a chunk? */
export function isQuestion(headers: Readonly<Record<string, string>>): boolean {
  return headers["content-range"] === "bytes */*";
}

/** Takes a chunk, or says how far the session is. */
export async function putChunk(call: StorageCall): Promise<Outgoing> {
  const { world, query, headers, rules } = call;
  const session = sessionOf(world, query);
  if (rules.some(({ kind }) => kind === "session-gone")) {
    session.state = "gone";
    throw new GcpFault(410, "gone", "The upload session is no longer valid.");
  }
  if (session.object) return finished(world, session.object);
  const range = rangeOf(headers["content-range"]);
  if (range === undefined) return progress(session);
  checkRange(world, session, range);
  const trouble = await takeBytes(session, range, call);
  if (trouble) return trouble;
  if (range.total === undefined) return progress(session);
  return finish(world, session, range.total);
}

function checkRange(world: World, session: SessionRecord, { from, end, total }: Range): void {
  const problem = rangeProblem(session, { from, end, total });
  if (problem === undefined) return;
  world.violations.push(`storage.sessions.put: ${problem}`);
  throw invalid(problem);
}

function rangeProblem({ persisted }: SessionRecord, { from, end, total }: Range): string | undefined {
  if (from !== persisted) return `the chunk begins at ${from}, and ${persisted} bytes are there`;
  if (total === undefined && (end - from) % UNIT !== 0) {
    return `a chunk of ${end - from} bytes is no multiple of 262144`;
  }
  if (total !== undefined && end !== total) return `the last chunk ends at ${end}, and the object at ${total}`;
  return undefined;
}

/** Writes what comes, as far as the faults let it. @returns an answer that is not that of a whole chunk. */
async function takeBytes(
  session: SessionRecord,
  range: Range,
  { stream, rules }: StorageCall,
): Promise<Outgoing | undefined> {
  const kept = keptBytes(range, rules);
  const file = await open(session.file, "r+");
  try {
    const received = await writeStream(file, session, { stream, limit: kept, corrupt: has(rules, "corrupt") });
    // Whole units stay of a chunk that broke off, or was not taken whole.
    const whole = received >= range.end - range.from && kept === Infinity;
    session.persisted += whole ? received : Math.floor(Math.min(received, kept) / UNIT) * UNIT;
    if (whole) return undefined;
  } finally {
    await file.close();
  }
  if (has(rules, "cut-chunk")) return { status: 0, cut: true };
  if (has(rules, "half-chunk")) throw new GcpFault(503, "backendError", "Backend Error");
  return progress(session);
}

function has(rules: readonly FaultRule[], kind: FaultRule["kind"]): boolean {
  return rules.some((rule) => rule.kind === kind);
}

function keptBytes({ from, end }: Range, rules: readonly FaultRule[]): number {
  if (has(rules, "refuse-chunk")) return 0;
  const halved = has(rules, "half-chunk") || has(rules, "part-chunk") || has(rules, "cut-chunk");
  return halved ? Math.floor((end - from) / 2) : Infinity;
}

async function writeStream(
  file: FileHandle,
  session: SessionRecord,
  {
    stream,
    limit,
    corrupt,
  }: { readonly stream: AsyncIterable<Buffer>; readonly limit: number; readonly corrupt: boolean },
): Promise<number> {
  let received = 0;
  try {
    for await (const piece of stream) {
      if (corrupt && received === 0) piece[0] = (piece[0] ?? 0) ^ 1;
      const wanted = piece.subarray(0, Math.max(0, limit - received));
      if (wanted.length > 0) await file.write(wanted, 0, wanted.length, session.persisted + received);
      received += piece.length;
      session.received += piece.length;
    }
  } catch {
    // The client went away: what came before counts.
  }
  return received;
}

function progress({ persisted }: SessionRecord): Outgoing {
  return { status: 308, headers: persisted === 0 ? {} : { range: `bytes=0-${persisted - 1}` } };
}

async function finish(world: World, session: SessionRecord, total: number): Promise<Outgoing> {
  const bucket = bucketNamed(world, session.bucket);
  const { name, file, contentType, metadata, persisted } = session;
  if (persisted !== total) throw invalid(`${persisted} bytes are there, not ${total}`);
  assertGeneration(bucket, name, session.ifGenerationMatch ?? null);
  const object: ObjectRecord = {
    name,
    generation: nextGeneration(world),
    contentType,
    metadata,
    size: total,
    crc32c: await crc32cOf(file),
    createdMs: Date.now(),
    file,
    readers: [],
  };
  assertGeneration(bucket, name, session.ifGenerationMatch ?? null);
  bucket.objects.set(name, object);
  session.object = object;
  session.state = "done";
  return finished(world, object, bucket.name);
}

function finished(world: World, object: ObjectRecord, bucketName?: string): Outgoing {
  const found = [...world.state.buckets.values()].find(
    ({ name, objects }) => name === bucketName || objects.get(object.name) === object,
  );
  if (found === undefined) throw new GcpFault(410, "gone", "The object was removed.");
  return { status: 200, body: objectBody(found, object, { full: false }) };
}
