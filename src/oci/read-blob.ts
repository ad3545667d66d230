import { createHash, type Hash } from "node:crypto";
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import type { Digest } from "../core/digest.ts";
import { messageOf } from "../core/error.ts";
import type { Descriptor } from "./descriptor.ts";
import { collectProblems, type Problems } from "./problems.ts";
import { errnoOf } from "../core/file-system-error.ts";

/** Registries take manifests up to 4 MiB; a JSON document beyond that is an attack on our memory. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;

/** A layout being read: what is wrong so far, and every blob that something led to and that is there in its size. */
export interface Reading {
  readonly folder: string;
  readonly problems: Problems;
  readonly blobs: Map<Digest, Descriptor>;
}

export function startReading(folder: string): Reading {
  return { folder, problems: collectProblems(folder), blobs: new Map() };
}

/** A hash of the kind a digest was made with. */
export function hashFor(digest: Digest): Hash {
  return createHash(digest.startsWith("sha512:") ? "sha512" : "sha256");
}

/** Where a blob is, relative to its layout. The digest has passed the schema, so it holds nothing but digits. */
export function blobFile(digest: Digest): string {
  const [algorithm = "", hex = ""] = digest.split(":");
  return join("blobs", algorithm, hex);
}

/**
 * Size of a regular file. Anything else (missing, a link out of the layout, a pipe that would never end) is a problem.
 */
async function fileSize({ folder, problems }: Reading, file: string): Promise<number | undefined> {
  try {
    const stat = await lstat(join(folder, file));
    if (stat.isFile()) return stat.size;
    problems.add(file, "is not a regular file");
  } catch (error) {
    problems.add(file, errnoOf(error) === "ENOENT" ? "is missing" : messageOf(error));
  }
  return undefined;
}

/** Whether a blob is there with the size its descriptor says. */
export async function hasBlob(reading: Reading, descriptor: Descriptor): Promise<boolean> {
  const { digest, size } = descriptor;
  const file = blobFile(digest);
  const actual = await fileSize(reading, file);
  if (actual === undefined) return false;
  if (actual === size) {
    reading.blobs.set(digest, descriptor);
    return true;
  }
  reading.problems.add(file, `has ${String(actual)} bytes instead of ${String(size)}`);
  return false;
}

/** Reads a JSON file of the layout's own and checks its shape; what is wrong goes to the problems. */
export async function readJsonFile<S extends z.ZodType>(
  reading: Reading,
  file: string,
  schema: S,
): Promise<z.output<S> | undefined> {
  const text = await readSmallFile(reading, file);
  return text === undefined ? undefined : parseDocument(text, { ...reading, file }, schema);
}

/** Reads a JSON blob; size, digest and shape are checked. */
export async function readJsonBlob<S extends z.ZodType>(
  reading: Reading,
  descriptor: Descriptor,
  schema: S,
): Promise<z.output<S> | undefined> {
  const file = blobFile(descriptor.digest);
  if (!(await hasBlob(reading, descriptor))) return undefined;
  const text = await readSmallFile(reading, file);
  if (text === undefined) return undefined;
  const hash = hashFor(descriptor.digest).update(text).digest("hex");
  if (descriptor.digest.endsWith(`:${hash}`)) return parseDocument(text, { ...reading, file }, schema);
  reading.problems.add(file, "its bytes do not have the digest of its name");
  return undefined;
}

async function readSmallFile(reading: Reading, file: string): Promise<Buffer | undefined> {
  const size = await fileSize(reading, file);
  if (size === undefined) return undefined;
  if (size > MAX_JSON_BYTES) {
    reading.problems.add(file, `has ${String(size)} bytes, more than any manifest`);
    return undefined;
  }
  try {
    return await readFile(join(reading.folder, file));
  } catch (error) {
    reading.problems.add(file, messageOf(error));
    return undefined;
  }
}

function parseDocument<S extends z.ZodType>(
  bytes: Buffer,
  { problems, file }: Reading & { readonly file: string },
  schema: S,
): z.output<S> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    problems.add(file, "is not JSON");
    return undefined;
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const { path, message } of result.error.issues) {
    problems.add(file, path.length === 0 ? message : `${path.map(String).join(".")}: ${message}`);
  }
  return undefined;
}
