import { randomUUID } from "node:crypto";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import { sha256 } from "../../src/core/digest.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import { manifestSchema } from "../../src/oci/manifest.ts";
import { IMAGE_MANIFEST } from "../../src/oci/media-types.ts";
import { EMPTY_CONFIG } from "./artifacts.ts";
import { deletionRefused } from "./deletion-refused.ts";
import type { Repository } from "./repository.ts";

const GONE = [200, 202, 404];
const REMOVED = "application/vnd.kubevirt.kvci-build.removed-tag.v1";
const UNSUPPORTED = [400, 405];

/**
 * Takes a tag away and leaves what it stood for. Registries that delete by digest only (docker-registry 2) get the tag moved to
 * a manifest made for it, which is then deleted and takes the tag along, as regclient does it; but not before it is known that
 * they delete at all.
 *
 * @throws {KvciError} `publish-blocked` for a registry that deletes nothing, or not for us.
 */
export async function removeTag(repository: Repository, tag: string): Promise<void> {
  const status = await repository.removeManifest(tag);
  if (GONE.includes(status)) return;
  // Nobody has this digest: 404 says that a deletion was possible.
  const probe = UNSUPPORTED.includes(status) ? await repository.removeManifest(sha256(randomUUID())) : status;
  if (!GONE.includes(probe)) throw deletionRefused(repository, probe);
  const config = sha256(EMPTY_CONFIG);
  await repository.putBlob(config, EMPTY_CONFIG);
  const type = "application/vnd.oci.empty.v1+json";
  const placeholder = Buffer.from(
    canonicalJson({
      schemaVersion: 2,
      mediaType: IMAGE_MANIFEST,
      artifactType: REMOVED,
      config: { mediaType: type, digest: config, size: EMPTY_CONFIG.length },
      layers: [{ mediaType: type, digest: config, size: EMPTY_CONFIG.length }],
      // One of a kind, so that deleting it hits nothing else.
      annotations: { "io.kubevirt.kvci-build.removed-tag": `${tag} ${randomUUID()}` },
    }),
  );
  await repository.putManifest(tag, { mediaType: IMAGE_MANIFEST, bytes: placeholder });
  const removed = await repository.removeManifest(sha256(placeholder));
  if (!GONE.includes(removed)) throw deletionRefused(repository, removed);
}

/** Whether a tag stands for what a removal that was interrupted put there. */
export function isRemovedTag({ bytes }: { readonly bytes: Buffer }): boolean {
  const { data } = manifestSchema.safeParse(jsonOf(bytes.toString("utf8")));
  return data?.artifactType === REMOVED;
}
