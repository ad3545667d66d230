import { canonicalJson } from "../../src/core/canonical-json.ts";
import { sha256, type Digest } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import type { RegistryTarget } from "../../src/core/target.ts";
import { IMAGE_INDEX, IMAGE_MANIFEST } from "../../src/oci/media-types.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { releaseName } from "../../src/publish/release-name.ts";
import { documentsOf } from "./artifacts.ts";
import { imageBuild, type ImageBuild } from "./image-build.ts";
import { registryPlace, type RegistryPlace } from "./registry-place.ts";
import type { Artifact, WantedImage, WantedIndex, WantedTag } from "./registry-state.ts";

/** All that a release is in one repository. */
export interface WantedRepository extends RegistryPlace {
  readonly images: readonly { readonly image: WantedImage; readonly artifacts: readonly Artifact[] }[];
  readonly indexes: readonly WantedIndex[];
  readonly tags: readonly WantedTag[];
}

interface Member {
  readonly build: ReleaseBuild;
  readonly image: ImageBuild;
}

/**
 * What builds come to in a target: for each repository its images, for tags that several architectures share an index of them,
 * and the tags.
 *
 * @throws {KvciError} `environment-invalid` for names that do not tell builds apart; `build-invalid`, `layout-invalid`.
 */
export async function wantedRelease(
  target: RegistryTarget,
  builds: readonly ReleaseBuild[],
): Promise<readonly WantedRepository[]> {
  const members: Member[] = [];
  for (const build of builds) members.push({ build, image: await imageBuild(build, target.image) });
  const repositories = Map.groupBy(members, ({ build }) => releaseName(target.repository, build));
  return Promise.all(
    [...repositories].map(async ([name, own]) => ({
      ...registryPlace(name),
      images: await Promise.all(own.map((member) => wantedImage(member, target))),
      ...taggedIn(name, own, target),
    })),
  );
}

async function wantedImage(
  { build, image }: Member,
  { referrers }: RegistryTarget,
): Promise<WantedRepository["images"][number]> {
  const documents = referrers ? await documentsOf(build, image) : [];
  const { digest, size, layout, blobs } = image;
  const { folder, arch, template, version, planId, content, diskDigest } = build;
  const source = { folder, layout, arch, template, version, planId, content, diskDigest };
  return {
    image: { digest, size, ...source, blobs: [...blobs] },
    artifacts: documents.map(({ artifact }) => artifact),
  };
}

function taggedIn(
  name: string,
  members: readonly Member[],
  { tags, floatingTags }: RegistryTarget,
): Pick<WantedRepository, "indexes" | "tags"> {
  const wanted = [
    ...tags.map((pattern) => ({ pattern, floating: false })),
    ...floatingTags.map((pattern) => ({ pattern, floating: true })),
  ].flatMap(({ pattern, floating }) =>
    members.map((member) => ({ tag: releaseName(pattern, member.build), floating, member })),
  );
  const byTag = [...Map.groupBy(wanted, ({ tag }) => tag)].map(([tag, entries]) => {
    const own = [...new Set(entries.map(({ member }) => member))];
    return { tag, floating: entries.every(({ floating }) => floating), subject: subjectOf(`${name}:${tag}`, own) };
  });
  const indexes = byTag.flatMap(({ subject }) => ("text" in subject ? [subject] : []));
  return {
    indexes: [...new Map(indexes.map((index) => [index.digest, index])).values()],
    tags: byTag.map(({ tag, floating, subject: { digest } }) => ({ tag, floating, digest })),
  };
}

/** What a tag stands for: an image, or an index of one for each architecture. */
function subjectOf(name: string, members: readonly Member[]): { readonly digest: Digest } | WantedIndex {
  const sorted = [...members].sort((a, b) => (a.image.arch < b.image.arch ? -1 : 1));
  const [first, second] = sorted;
  if (first && !second) return first.image;
  const arches = new Set(sorted.map(({ image }) => image.arch));
  const templates = new Set(sorted.map(({ image }) => image.template));
  if (!first || templates.size > 1 || arches.size < sorted.length) throw ambiguous(name, sorted);
  return indexOf(sorted);
}

/** No time and no place in it: the same images have the same index wherever and whenever. */
function indexOf(members: readonly Member[]): WantedIndex {
  const [template = ""] = members.map(({ image }) => image.template);
  const [version = ""] = members.map(({ build }) => build.version);
  const text = canonicalJson({
    schemaVersion: 2,
    mediaType: IMAGE_INDEX,
    manifests: members.map(({ image: { digest, size, arch } }) => ({
      mediaType: IMAGE_MANIFEST,
      digest,
      size,
      platform: { os: "linux", architecture: arch },
    })),
    annotations: { "org.opencontainers.image.title": template, "org.opencontainers.image.version": version },
  });
  const children = members.map(({ image }) => image.digest);
  return { digest: sha256(text), size: Buffer.byteLength(text), text, children };
}

function ambiguous(name: string, members: readonly Member[]): KvciError {
  const builds = members.map(({ image: { template, arch } }) => `${template} ${arch}`).join(", ");
  return new KvciError("environment-invalid", `${name} would stand for several images: ${builds}`, {
    hint: "Put {template} into the target's repository, or {template} and {arch} into its tags.",
  });
}
