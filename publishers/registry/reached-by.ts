import { bounded } from "../../src/core/bounded.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import { indexSchema } from "../../src/oci/manifest.ts";
import type { Repository } from "./repository.ts";

const CONCURRENCY = 4;

/**
 * The tags that lead to a manifest, straight or by an index. Deleting a manifest takes its tags along in some registries, and
 * leaves indexes broken in all, so nothing is deleted that anything leads to.
 */
export async function tagsReaching(repository: Repository, digest: string): Promise<readonly string[]> {
  const tags = (await repository.tags()) ?? [];
  const found = await bounded(tags, CONCURRENCY, async (tag) => ({
    tag,
    leads: await leadsTo(repository, tag, digest),
  }));
  return found.filter(({ leads }) => leads).map(({ tag }) => tag);
}

async function leadsTo(repository: Repository, tag: string, digest: string): Promise<boolean> {
  const found = await repository.manifest(tag);
  if (!found) return false;
  if (found.digest === digest) return true;
  const index = indexSchema.safeParse(jsonOf(found.bytes.toString("utf8")));
  return index.data?.manifests.some((child) => child.digest === digest) ?? false;
}
