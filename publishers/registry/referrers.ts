import { setTimeout as sleep } from "node:timers/promises";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import { KvciError } from "../../src/core/error.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import type { Descriptor } from "../../src/oci/descriptor.ts";
import { indexSchema } from "../../src/oci/manifest.ts";
import { IMAGE_INDEX, IMAGE_MANIFEST } from "../../src/oci/media-types.ts";
import { sha256, type Digest } from "../../src/core/digest.ts";
import { EMPTY_CONFIG, type AttachedDocument } from "./artifacts.ts";
import { deletionRefused } from "./deletion-refused.ts";
import type { Artifact } from "./registry-state.ts";
import { removeTag } from "./remove-tag.ts";
import type { Repository } from "./repository.ts";

/** Writes of one index by several at once: whoever is overwritten writes again, after a wait of its own. */
const INDEX_ATTEMPTS = 8;

export interface KnownReferrers {
  /** How the registry keeps them, as far as it tells. */
  readonly scheme: "api" | "tags";
  readonly digests: readonly Digest[];
}

/** Where the tag scheme of the distribution specification keeps what refers to a manifest. */
export function referrersTag(subject: string): string {
  return subject.replace(":", "-");
}

/**
 * What is attached to a manifest, by the referrers API and by the tag scheme: some registries have the one, some the other, and
 * some had the other before.
 */
export async function knownReferrers(repository: Repository, subject: string): Promise<KnownReferrers> {
  const byApi = await repository.referrers(subject);
  const byTag = await tagIndex(repository, subject);
  const digests = [...(byApi ?? []), ...byTag].map(({ digest }) => digest);
  return { scheme: byApi === undefined ? "tags" : "api", digests: [...new Set(digests)].sort() };
}

/** Attaches a document to an image. One that is attached already is left alone by the caller. */
export async function attach(
  repository: Repository,
  { artifact, bytes, manifest }: AttachedDocument,
  { subject, signal }: { readonly subject: string; readonly signal: AbortSignal },
): Promise<void> {
  await repository.putBlob(sha256(EMPTY_CONFIG), EMPTY_CONFIG);
  await repository.putBlob(artifact.digest, bytes);
  const { subjectKnown } = await repository.putManifest(artifact.manifest.digest, {
    mediaType: IMAGE_MANIFEST,
    bytes: manifest,
  });
  // A registry that has the API says so in this answer; with any other, the client keeps the list.
  if (subjectKnown) return;
  await changeIndex(repository, { subject, signal }, (known) =>
    known.some(({ digest }) => digest === artifact.manifest.digest) ? known : [...known, descriptorOf(artifact)],
  );
}

function descriptorOf({ artifactType, manifest }: Artifact): Descriptor {
  return { mediaType: IMAGE_MANIFEST, ...manifest, artifactType };
}

/** Takes documents off an image; those that are not there are no matter. @throws {KvciError} `publish-blocked` */
export async function detach(
  repository: Repository,
  {
    subject,
    digests,
    signal,
  }: { readonly subject: string; readonly digests: readonly string[]; readonly signal: AbortSignal },
): Promise<void> {
  const listed = await tagIndex(repository, subject);
  if (listed.some(({ digest }) => digests.includes(digest))) {
    await changeIndex(repository, { subject, signal }, (known) =>
      known.filter(({ digest }) => !digests.includes(digest)),
    );
  }
  for (const digest of digests) {
    const status = await repository.removeManifest(digest);
    if (![200, 202, 404].includes(status)) throw deletionRefused(repository, status);
  }
}

async function tagIndex(repository: Repository, subject: string): Promise<readonly Descriptor[]> {
  const found = await repository.manifest(referrersTag(subject));
  const parsed = indexSchema.safeParse(jsonOf(found?.bytes.toString("utf8") ?? ""));
  return parsed.data?.manifests ?? [];
}

/** Read, changed, written, and read again: there is no way to write only if nobody else did. */
async function changeIndex(
  repository: Repository,
  { subject, signal }: { readonly subject: string; readonly signal: AbortSignal },
  change: (known: readonly Descriptor[]) => readonly Descriptor[],
): Promise<void> {
  for (let attempt = 0; attempt < INDEX_ATTEMPTS; attempt += 1) {
    const known = await tagIndex(repository, subject);
    const wanted = change(known);
    if (wanted.length === known.length) return;
    if (wanted.length === 0) return removeTag(repository, referrersTag(subject));
    const text = canonicalJson({ schemaVersion: 2, mediaType: IMAGE_INDEX, manifests: sorted(wanted) });
    await repository.putManifest(referrersTag(subject), { mediaType: IMAGE_INDEX, bytes: Buffer.from(text) });
    const after = await tagIndex(repository, subject);
    if (change(after).length === after.length) return;
    await sleep(Math.random() * 100 * 2 ** attempt, undefined, { signal }).catch(() => undefined);
  }
  throw new KvciError("publish-conflict", `${repository.name}: others keep writing ${referrersTag(subject)}`, {
    hint: "See who else attaches to this image, then run the same command again.",
  });
}

/** So that the same referrers have the same index, in whatever order they came. */
function sorted(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  return [...descriptors].sort((a, b) => (a.digest < b.digest ? -1 : 1));
}
