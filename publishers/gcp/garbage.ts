import { KvciError } from "../../src/core/error.ts";
import { linkPath, stateOf, type ComputeImage } from "../../src/gcp/compute.ts";
import type { StoredObject } from "../../src/gcp/storage.ts";
import type { GarbageItem } from "../../src/publish/publisher.ts";
import { UPLOAD_PREFIX, type NamedGcpTarget } from "./image-plan.ts";
import type { Place } from "./observe.ts";
import { changed, type Watch } from "./watch.ts";

const DAY_MS = 86_400_000;
/** An obsolete image can start no new machine; whoever misses it has this long to say so. */
const OBSOLETE_DAYS = 7;
/** Upload sessions live for a week: what is older belongs to no run that could go on. */
const UPLOAD_DAYS = 8;

interface Collector extends Place {
  readonly target: NamedGcpTarget;
  readonly now: () => number;
}

/**
 * Superseded images beyond those that are kept, and uploads that nobody came back for. A superseded image first becomes obsolete,
 * and is removed a week later.
 */
export async function gcpGarbage(collector: Collector): Promise<readonly GarbageItem[]> {
  const { compute, storage, target, now } = collector;
  const [images, objects] = await Promise.all([
    compute.images(`labels.kvci-managed = "true"`),
    storage.objects(UPLOAD_PREFIX),
  ]);
  const lines = Map.groupBy(images, ({ labels }) => `${labels["kvci-template"] ?? ""} ${labels["kvci-arch"] ?? ""}`);
  const beyond = [...lines.values()].flatMap((line) => line.filter(isSuperseded).sort(newestFirst).slice(target.keep));
  return [
    ...beyond.flatMap((image) => imageItem(image, { target, now })),
    ...objects.filter((object) => isForgotten(object, now())).map((object) => objectItem(object, target)),
  ];
}

function isSuperseded(image: ComputeImage): boolean {
  return ["DEPRECATED", "OBSOLETE"].includes(stateOf(image)) && image.deprecated?.replacement !== undefined;
}

function newestFirst(one: ComputeImage, other: ComputeImage): number {
  return Date.parse(other.creationTimestamp) - Date.parse(one.creationTimestamp);
}

function imageItem(image: ComputeImage, { target, now }: Pick<Collector, "target" | "now">): GarbageItem[] {
  const base = {
    target: target.name,
    place: target.project,
    id: linkPath(image.selfLink),
    ...(image.archiveSizeBytes === undefined ? {} : { bytes: Number(image.archiveSizeBytes) }),
  };
  const superseded = `superseded by ${image.deprecated?.replacement?.split("/").at(-1) ?? "another"}`;
  if (stateOf(image) === "DEPRECATED") {
    return [{ ...base, what: `make image ${image.name} obsolete`, reason: superseded }];
  }
  const reason = `${superseded}, obsolete for more than ${OBSOLETE_DAYS} days`;
  return isRipe(image, now()) ? [{ ...base, what: `image ${image.name}`, reason }] : [];
}

function isRipe({ deprecated }: ComputeImage, now: number): boolean {
  return now - Date.parse(deprecated?.obsolete ?? "") > OBSOLETE_DAYS * DAY_MS;
}

function isForgotten({ metadata, timeCreated }: StoredObject, now: number): boolean {
  return metadata["kvci-managed"] === "true" && now - Date.parse(timeCreated) > UPLOAD_DAYS * DAY_MS;
}

function objectItem({ bucket, name, generation, size }: StoredObject, target: NamedGcpTarget): GarbageItem {
  return {
    target: target.name,
    place: target.project,
    id: `gs://${bucket}/${name}#${generation}`,
    what: `upload ${name}`,
    reason: `no image was made from it in ${UPLOAD_DAYS} days`,
    bytes: Number(size),
  };
}

/** Takes one step: looks again, and leaves alone what is in use by now. */
export async function collectGcp(item: GarbageItem, collector: Collector & Watch): Promise<void> {
  const [, object, generation] = /^gs:\/\/[^/]+\/(.+)#(\d+)$/.exec(item.id) ?? [];
  if (object !== undefined && generation !== undefined) {
    await collector.storage.deleteObject(object, generation);
    return;
  }
  await collectImage(item, collector);
}

async function collectImage(item: GarbageItem, collector: Collector & Watch): Promise<void> {
  const image = await collector.compute.image(item.id.split("/").at(-1) ?? "");
  if (!image) return;
  if (!isSuperseded(image) || image.labels["kvci-managed"] !== "true") throw inUse(image);
  await nextState(image, collector);
}

async function nextState(image: ComputeImage, collector: Collector & Watch): Promise<void> {
  const { compute, now } = collector;
  const { name, deprecated } = image;
  if (stateOf(image) === "DEPRECATED") {
    const body = {
      state: "OBSOLETE",
      ...(deprecated?.replacement === undefined ? {} : { replacement: deprecated.replacement }),
      ...(deprecated?.deprecated === undefined ? {} : { deprecated: deprecated.deprecated }),
      obsolete: new Date(now()).toISOString(),
    } as const;
    await changed("compute.images.deprecate", (id) => compute.deprecateImage(name, body, id), collector);
  } else if (isRipe(image, now())) {
    await changed("compute.images.delete", (id) => compute.deleteImage(name, id), collector);
  }
}

function inUse({ name }: ComputeImage): KvciError {
  return new KvciError("publish-conflict", `the image ${name} is no longer superseded`, {
    hint: "Somebody put it back into use; look again with `kvci-build publish gc`.",
  });
}
