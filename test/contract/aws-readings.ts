import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { AwsCounterpart } from "../counterparts/aws/start-aws.ts";

export function puts({ calls }: AwsCounterpart): number {
  return calls.filter(({ action, status }) => action === "PutSnapshotBlock" && status < 300).length;
}

export function assertPublished(cloud: AwsCounterpart, name: string): void {
  const { images, snapshots } = cloud.region(name);
  assert.equal(images.size, 1, `one image in ${name}`);
  const [image] = [...images.values()];
  assert.equal(image?.sharing.public, true, `public in ${name}`);
  assert.equal(image.tags.get("kvci:managed"), "true");
  assert.equal(snapshots.size, 1, `one snapshot in ${name}`);
  assert.equal([...snapshots.values()][0]?.sharing.public, true, `its snapshot public in ${name}`);
}

/** What is there, without what only a clock or a counter made. */
export function shape(cloud: AwsCounterpart): unknown {
  return [...cloud.state.regions.values()].map(({ name, images, snapshots, parameters }) => ({
    name,
    images: [...images.values()].map((image) => [
      image.id,
      image.name,
      image.deprecateMs,
      image.sharing.public,
      [...image.sharing.users],
    ]),
    snapshots: [...snapshots.values()].map(({ id, sharing }) => [id, sharing.public, [...sharing.users]]),
    parameters: [...parameters.values()].map(({ name: key, versions }) => [key, versions.at(-1)?.value]),
  }));
}

/** SHA-256 of the disk that a snapshot makes. */
export async function snapshotDigest(
  cloud: AwsCounterpart,
  { region, id, bytes }: { readonly region: string; readonly id: string; readonly bytes: number },
): Promise<string> {
  const hash = createHash("sha256");
  let left = bytes;
  for await (const chunk of cloud.snapshotBytes(region, id)) {
    hash.update(chunk.subarray(0, Math.min(left, chunk.length)));
    left -= Math.min(left, chunk.length);
  }
  assert.equal(left, 0);
  return `sha256:${hash.digest("hex")}`;
}

/** What is wrong with requests, by the vendor's models. What is wrong with answers is the counterpart's own affair. */
export function badRequests({ violations }: AwsCounterpart): readonly string[] {
  return violations.filter((each) => !each.startsWith("answer of "));
}

/** Dates of deprecation differ from run to run; whether one is about now or years away does not. */
const MONTH_MS = 30 * 86_400_000;

/** What is there in names alone: the same for two accounts in which the same was published. */
export function sameShape(cloud: AwsCounterpart): unknown {
  return [...cloud.state.regions.values()].map(({ name, images, snapshots, parameters }) => ({
    name,
    images: [...images.values()]
      .map(({ name: image, deprecateMs, sharing, tags }) => ({
        image,
        ends: deprecateMs === undefined ? "never" : deprecateMs > Date.now() + MONTH_MS ? "later" : "soon",
        public: sharing.public,
        tags: Object.fromEntries(tags),
      }))
      .sort((a, b) => a.image.localeCompare(b.image)),
    snapshots: [...snapshots.values()]
      .map(({ sharing, tags }) => ({ public: sharing.public, tags: Object.fromEntries(tags) }))
      .sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
    parameters: [...parameters.values()].map(({ name: key, versions }) => [
      key,
      versions.length,
      images.get(versions.at(-1)?.value ?? "")?.name,
    ]),
  }));
}
