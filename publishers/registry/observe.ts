import { bounded } from "../../src/core/bounded.ts";
import type { Repository } from "./repository.ts";
import { knownReferrers } from "./referrers.ts";
import type { RepositoryState } from "./registry-state.ts";
import type { WantedRepository } from "./wanted-release.ts";

/** Requests at once to one registry: quay.io takes a few a second before it says 429. */
const CONCURRENCY = 4;

type ImageState = RepositoryState["images"][number];

/** Reads of a repository what matters for a release. Changes nothing. */
export async function observeRepository(wanted: WantedRepository, repository: Repository): Promise<RepositoryState> {
  const { host, repository: name } = wanted;
  const known = await repository.tags();
  const schemes = new Set<"api" | "tags">();
  const images = await bounded(wanted.images, CONCURRENCY, async (each): Promise<ImageState> => {
    const present = (await repository.digestOf(each.image.digest)) === each.image.digest;
    // What is not there has nothing attached; asking would not tell whether there is an API either.
    const referrers =
      present && each.artifacts.length > 0 ? await knownReferrers(repository, each.image.digest) : undefined;
    if (referrers) schemes.add(referrers.scheme);
    const missing = present ? [] : await missingBlobs(repository, each.image.blobs);
    const wantedDigests = each.artifacts.map(({ manifest }) => manifest.digest);
    const attached = wantedDigests.filter((digest) => referrers?.digests.includes(digest));
    return { image: each.image, present, missing, artifacts: each.artifacts, attached };
  });
  const indexes = await bounded(wanted.indexes, CONCURRENCY, async (index) => ({
    index,
    present: (await repository.digestOf(index.digest)) === index.digest,
  }));
  const tags = await bounded(wanted.tags, CONCURRENCY, async (tag) => ({
    ...tag,
    former: (await repository.digestOf(tag.tag)) ?? null,
  }));
  const referrersApi = [...schemes][0] ?? "unknown";
  return { host, repository: name, known: known?.length ?? null, referrersApi, images, indexes, tags };
}

async function missingBlobs(
  repository: Repository,
  blobs: readonly { readonly digest: string }[],
): Promise<ImageState["missing"]> {
  const found = await bounded(blobs, CONCURRENCY, async ({ digest }) => ({
    digest: digest as ImageState["missing"][number],
    isThere: await repository.hasBlob(digest),
  }));
  return found.filter(({ isThere }) => !isThere).map(({ digest }) => digest);
}
