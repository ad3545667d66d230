import { createReadStream } from "node:fs";
import { CRC32C } from "@google-cloud/storage";
import { GcpFault, notFound } from "./gcp-fault.ts";
import type { BucketRecord, Json, ObjectRecord, World } from "./gcp-state.ts";

export function bucketNamed({ state }: World, name: string): BucketRecord {
  const bucket = state.buckets.get(name);
  if (bucket) return bucket;
  throw notFound(name);
}

export function objectNamed(bucket: BucketRecord, name: string, generation: string | null): ObjectRecord {
  const object = bucket.objects.get(name);
  if (object && (generation === null || generation === object.generation)) return object;
  throw new GcpFault(404, "notFound", `No such object: ${bucket.name}/${name}`);
}

/** @throws {GcpFault} 412 when the bucket no longer holds, or does not yet hold, what is expected. */
export function assertGeneration(bucket: BucketRecord, name: string, expected: string | null): void {
  if (expected === null || expected === (bucket.objects.get(name)?.generation ?? "0")) return;
  throw new GcpFault(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.");
}

/** Generations are microseconds, and never equal. */
export function nextGeneration(world: World): string {
  return String(Date.now() * 1000 + world.nextNumber());
}

/** By Google's own client library, so that ours is not checked by itself. */
export async function crc32cOf(file: string): Promise<string> {
  const crc = new CRC32C();
  for await (const piece of createReadStream(file)) crc.update(piece as Buffer);
  return crc.toString();
}

export function objectBody(bucket: BucketRecord, object: ObjectRecord, { full }: { readonly full: boolean }): Json {
  const { name, generation, contentType, metadata, size, crc32c, createdMs, readers } = object;
  const time = new Date(createdMs).toISOString();
  const owner = { entity: "user-publisher@example.iam.gserviceaccount.com", role: "OWNER" };
  return {
    kind: "storage#object",
    id: `${bucket.name}/${name}/${generation}`,
    bucket: bucket.name,
    name,
    generation,
    metageneration: "1",
    contentType,
    metadata,
    size: String(size),
    crc32c,
    timeCreated: time,
    updated: time,
    storageClass: "STANDARD",
    ...(full && !bucket.uniform ? { acl: [owner, ...readers.map((entity) => ({ entity, role: "READER" }))] } : {}),
  };
}
