import { selfLink } from "./compute-operations.ts";
import { checkedLabels, fingerprint } from "./image-labels.ts";
import { GcpFault, invalid, notFound } from "./gcp-fault.ts";
import type { ImageRecord, Json, ObjectRecord, World } from "./gcp-state.ts";

/** What images.insert takes, as far as it is looked at. */
export interface NewImageBody {
  readonly name?: string;
  readonly description?: string;
  readonly family?: string;
  readonly architecture?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly licenses?: readonly string[];
  readonly guestOsFeatures?: readonly { readonly type?: string }[];
  readonly storageLocations?: readonly string[];
  readonly rawDisk?: { readonly source?: string; readonly containerType?: string };
}

const NAME = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

/** An image that is being made. @throws {GcpFault} */
export function newImage(world: World, body: NewImageBody): ImageRecord {
  const { labels = {}, licenses = [], guestOsFeatures = [], description = "", storageLocations = ["us"] } = body;
  const { name, source } = assertNew(world, body, licenses);
  const { file, size } = source;
  const { family, architecture } = body;
  return {
    ...blankImage(world, name),
    description,
    family,
    architecture,
    guestOsFeatures: guestOsFeatures.map(({ type = "" }) => type),
    licenses: licenses.map(
      (license) => `https://www.googleapis.com/compute/v1/${license.slice(license.indexOf("projects/"))}`,
    ),
    storageLocations,
    labels: checkedLabels(labels),
    archiveBytes: size,
    file,
  };
}

/** An image that somebody made earlier: it can be started, and has no bytes. */
export function addImage(world: World, name: string, given: Partial<ImageRecord>): void {
  world.state.images.set(name, { ...blankImage(world, name), status: "READY", diskGiB: 10, ...given });
}

function blankImage(world: World, name: string): ImageRecord {
  return {
    id: String(1_000_000_000_000_000 + world.nextNumber()),
    name,
    createdMs: Date.now(),
    status: "PENDING",
    visibleMs: 0,
    description: "",
    family: undefined,
    architecture: undefined,
    guestOsFeatures: [],
    licenses: [],
    storageLocations: ["us"],
    labels: {},
    labelFingerprint: fingerprint(world),
    deprecated: undefined,
    policy: { version: 1, etag: fingerprint(world), bindings: [] },
    diskGiB: 0,
    archiveBytes: 0,
    file: "",
    tar: undefined,
  };
}

function assertNew(
  world: World,
  { name = "", rawDisk = {} }: NewImageBody,
  licenses: readonly string[],
): { readonly name: string; readonly source: ObjectRecord } {
  if (!NAME.test(name)) throw invalid(`Invalid value for field 'resource.name': '${name}'.`);
  if (world.state.images.has(name)) {
    throw new GcpFault(
      409,
      "alreadyExists",
      `The resource 'projects/${world.state.project}/global/images/${name}' already exists`,
    );
  }
  if (world.state.images.size >= world.limits.images) {
    throw new GcpFault(403, "quotaExceeded", `Quota 'IMAGES' exceeded.  Limit: ${world.limits.images}.0 globally.`);
  }
  const odd = licenses.find((license) => !/projects\/[^/]+\/global\/licenses\/[^/]+$/.test(license));
  if (odd !== undefined) throw invalid(`Invalid licence '${odd}'.`);
  return { name, source: sourceOf(world, rawDisk.source ?? "") };
}

/** Only the forms that are documented: there is none with a generation. */
export function sourceOf({ state }: World, source: string): ObjectRecord {
  const form =
    /^https:\/\/(?:storage\.googleapis\.com|www\.googleapis\.com\/storage\/v1\/b)\/(?<bucket>[^/?]+)\/(?:o\/)?(?<name>[^?]+)$/;
  const { bucket = "", name = "" } = form.exec(source)?.groups ?? {};
  if (bucket === "") throw invalid(`Invalid value for field 'resource.rawDisk.source': '${source}'.`);
  const object = state.buckets.get(bucket)?.objects.get(name);
  if (object) return object;
  throw notFound(`gs://${bucket}/${name}`);
}

export function imageBody(world: World, image: ImageRecord): Json {
  const { deprecated, family, architecture } = image;
  return {
    kind: "compute#image",
    id: image.id,
    name: image.name,
    selfLink: selfLink(world, `global/images/${image.name}`),
    status: image.status,
    creationTimestamp: new Date(image.createdMs).toISOString().replace("Z", "-00:00"),
    description: image.description,
    diskSizeGb: String(image.diskGiB),
    archiveSizeBytes: String(image.archiveBytes),
    sourceType: "RAW",
    labels: image.labels,
    labelFingerprint: image.labelFingerprint,
    guestOsFeatures: image.guestOsFeatures.map((type) => ({ type })),
    licenses: image.licenses,
    storageLocations: image.storageLocations,
    ...(family === undefined ? {} : { family }),
    ...(architecture === undefined ? {} : { architecture }),
    ...(deprecated === undefined ? {} : { deprecated }),
  };
}
