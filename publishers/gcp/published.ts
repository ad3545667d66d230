import type { ComputeImage } from "../../src/gcp/compute.ts";
import { linkPath, stateOf } from "../../src/gcp/compute.ts";
import type { StoredObject } from "../../src/gcp/storage.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import type { PublishedImage } from "../../src/publish/publisher.ts";
import type { ImagePlan, NamedGcpTarget } from "./image-plan.ts";
import { membersIn, type Place } from "./observe.ts";
import { isOwn, isReadByAll, SMOKE_LABEL } from "./state.ts";

/** What exists of one wanted image, read from the project; nothing where there is none. */
export async function publishedImage(
  plan: ImagePlan,
  target: NamedGcpTarget,
  { compute, storage }: Place,
): Promise<readonly PublishedImage[]> {
  const image = await compute.image(plan.name);
  if (!image || !isOwn(image, plan)) return [];
  const [policy, managed, exported] = await Promise.all([
    compute.imagePolicy(plan.name),
    compute.images(`labels.kvci-managed = "true" AND labels.kvci-arch = "${plan.arch}"`),
    plan.export === null ? undefined : storage.object(plan.export.object),
  ]);
  const members = membersIn(policy);
  return [
    {
      target: target.name,
      kind: "gcp",
      owner: target.project,
      place: image.storageLocations.toSorted().join(",") || "global",
      id: linkPath(image.selfLink),
      name: image.name,
      arch: plan.arch,
      content: plan.content,
      attributes: plan.attributes,
      version: plan.version,
      public: members.includes("allAuthenticatedUsers"),
      createdAt: new Date(image.creationTimestamp).toISOString(),
      ...deprecationOf(image),
      ...supersededBy(image, managed),
      details: detailsOf(image, { members, tarball: exported && tarballOf(exported) }),
    },
  ];
}

function deprecationOf({ deprecated }: ComputeImage): Pick<PublishedImage, "deprecateAt"> {
  return deprecated?.deprecated === undefined ? {} : { deprecateAt: deprecated.deprecated };
}

function supersededBy(image: ComputeImage, managed: readonly ComputeImage[]): Pick<PublishedImage, "supersedes"> {
  const former = managed.filter(({ deprecated }) => isReplacedBy(deprecated?.replacement, image));
  return former.length > 0 ? { supersedes: former.map(({ selfLink }) => linkPath(selfLink)).sort() } : {};
}

function tarballOf(object: StoredObject): JsonValue {
  const { bucket, name, generation, crc32c } = object;
  return { url: `gs://${bucket}/${name}`, generation, crc32c, public: isReadByAll(object) };
}

function detailsOf(
  image: ComputeImage,
  { members, tarball }: { readonly members: readonly string[]; readonly tarball: JsonValue | undefined },
): Readonly<Record<string, JsonValue>> {
  return {
    imageId: image.id,
    state: stateOf(image),
    family: image.family ?? null,
    members,
    licenses: image.licenses.map(linkPath).sort(),
    guestOsFeatures: image.guestOsFeatures.map(({ type }) => type).sort(),
    diskGiB: Number(image.diskSizeGb),
    bootTested: image.labels[SMOKE_LABEL] === "passed",
    ...(tarball === undefined ? {} : { tarball }),
  };
}

function isReplacedBy(replacement: string | undefined, { selfLink }: ComputeImage): boolean {
  return replacement !== undefined && linkPath(replacement) === linkPath(selfLink);
}
