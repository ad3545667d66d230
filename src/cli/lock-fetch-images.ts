import { join } from "node:path";
import { bounded } from "../core/bounded.ts";
import type { Digest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import type { Lock } from "../core/lock.ts";
import type { PlannedImage } from "../core/op.ts";
import { exists } from "../host/exists.ts";
import { algorithmOf, digestOfFile } from "../host/file-digest.ts";
import { fetchImages, type FetchedImage, type StoredBlob } from "../images/fetch-images.ts";
import { askAll, type Failure } from "../lock/answers.ts";
import { putFile } from "../lock/mirror-folder.ts";
import type { LockTarget } from "../lock/lock-targets.ts";
import { entriesFor } from "../lock/prune-lock.ts";
import { REF_NAME } from "../oci/descriptor.ts";
import { prepareLayout, putManifest } from "../oci/layout.ts";
import { pin } from "../store/pins.ts";
import { imageSourceOf } from "./image-access.ts";
import { ensure } from "./need-programs.ts";
import type { Session } from "./session.ts";

/** A lock's entries for some templates, with the architectures of each. */
export interface WantedLock {
  readonly own: Lock;
  readonly targets: readonly LockTarget[];
}

/** What of container images a mirror has. */
export interface MirroredImages {
  readonly images: readonly { readonly ref: string; readonly digest: Digest; readonly bytes: number }[];
  /** Each once; `fetched` when the folder did not have it. */
  readonly blobs: readonly (StoredBlob & { readonly fetched: boolean })[];
  readonly failures: readonly Failure[];
}

interface Options {
  readonly folder: string;
  readonly session: Session;
  readonly environment: Environment;
}

const IMAGES_AT_ONCE = 4;
/** Copies at once: it is the disk that is busy. */
const COPIES_AT_ONCE = 4;

/** Container images of locks as one OCI layout, `images` in the mirror's folder: what the platforms need, with the indexes that name more. */
export async function fetchMirrorImages(locks: readonly WantedLock[], options: Options): Promise<MirroredImages> {
  const wanted = plannedImages(locks);
  if (wanted.length === 0) return { images: [], blobs: [], failures: [] };
  const { session } = options;
  await ensure(session, ["skopeo"]);
  const fetched = await session.journal.span({ name: `fetch container images (${wanted.length})`, kind: "phase" }, () =>
    fetchedImages(wanted, options),
  );
  const layout = join(options.folder, "images");
  await prepareLayout(layout);
  const blobs = await putBlobs(fetched.images, layout, session);
  for (const { image, top } of fetched.images) {
    await putManifest(layout, { ...top, annotations: { [REF_NAME]: image.ref } });
  }
  const images = fetched.images.map(({ image, bytes }) => ({ ref: image.ref, digest: image.digest, bytes }));
  return { images, blobs, failures: fetched.failures };
}

/** By reference and platform, each once. */
function plannedImages(locks: readonly WantedLock[]): PlannedImage[] {
  const images = new Map<string, PlannedImage>();
  for (const { own, targets } of locks) {
    for (const target of targets) {
      for (const [ref, { digest, platforms }] of Object.entries(entriesFor(own, [target]).containerImages)) {
        const manifest = platforms[target.arch]?.manifest;
        if (manifest !== undefined) images.set(`${ref} ${manifest}`, { ref, digest, manifest });
      }
    }
  }
  return [...images.values()];
}

/** One after another is asked for by itself, so that one that is missing does not hide what else is. */
async function fetchedImages(
  wanted: readonly PlannedImage[],
  { session, environment }: Options,
): Promise<{ readonly images: readonly FetchedImage[]; readonly failures: readonly Failure[] }> {
  const { store, signal, journal } = session;
  return withDisposal(await store.temporaryFolder("registries"), async ({ path }) => {
    const source = await imageSourceOf(environment, path);
    const beforeBlobs = (found: readonly FetchedImage[]): Promise<void> =>
      pin(store, {
        runId: session.runId,
        signal,
        items: found.flatMap(({ blobs }) => blobs).map(({ digest }) => itemOf(digest)),
      });
    const images: FetchedImage[] = [];
    const questions = wanted.map((image) => ({
      key: `${image.ref} ${image.manifest}`,
      entry: `container image ${image.ref}`,
      ask: async () => {
        images.push(...(await fetchImages([image], { store, source, signal, journal, beforeBlobs })));
      },
    }));
    const failures = await askAll(questions, IMAGES_AT_ONCE);
    return { images: images.sort((a, b) => (a.image.ref < b.image.ref ? -1 : 1)), failures };
  });
}

async function putBlobs(
  images: readonly FetchedImage[],
  layout: string,
  { store, signal }: Session,
): Promise<MirroredImages["blobs"]> {
  const unique = new Map(images.flatMap(({ blobs }) => blobs).map((blob) => [blob.digest, blob]));
  return bounded([...unique.values()], COPIES_AT_ONCE, async (blob) => {
    const target = join(layout, "blobs", ...blob.digest.split(":"));
    const there =
      (await exists(target)) && (await digestOfFile(target, algorithmOf(blob.digest), signal)) === blob.digest;
    if (!there) await putFile(await soundBlob(blob.digest, store.blobPath(blob.digest), signal), target);
    return { ...blob, fetched: !there };
  });
}

/** A blob of the store is checked when it comes; one that was damaged since must not get around. */
async function soundBlob(digest: Digest, path: string, signal: AbortSignal): Promise<string> {
  if ((await digestOfFile(path, algorithmOf(digest), signal)) === digest) return path;
  throw new KvciError("store-unusable", `${path} is damaged`, { hint: "Remove it and run the same command again." });
}

function itemOf(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}
