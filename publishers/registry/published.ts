import { digestOfValue } from "../../src/core/digest.ts";
import type { RegistryTarget } from "../../src/core/target.ts";
import type { PublishedImage, ReleaseBuild } from "../../src/publish/publisher.ts";
import { imageBuild } from "./image-build.ts";
import type { RepositoryState } from "./registry-state.ts";
import type { Repository } from "./repository.ts";

/**
 * The images of a release that a repository has. One counts as public when everybody can read it and a tag leads to it: before,
 * only who knows its digest can find it.
 */
export async function publishedIn(
  state: RepositoryState,
  repository: Repository,
  {
    target,
    builds,
  }: { readonly target: RegistryTarget & { readonly name: string }; readonly builds: readonly ReleaseBuild[] },
): Promise<readonly PublishedImage[]> {
  const found: PublishedImage[] = [];
  for (const { image, present, attached } of state.images) {
    const build = builds.find(({ folder, arch }) => folder === image.folder && arch === image.arch);
    if (!present || !build) continue;
    const { createdAt } = await imageBuild(build, target.image);
    const { host, repository: name } = state;
    const reference = `${host}/${name}@${image.digest}`;
    const { tags, index } = tagsOf(image.digest, state);
    const isPublic = tags.length > 0 && (await repository.isPublic(image.digest));
    found.push({
      target: target.name,
      kind: "registry",
      owner: name,
      place: host,
      id: reference,
      name: `${host}/${name}`,
      arch: build.arch,
      content: build.content,
      attributes: digestOfValue({ arch: build.arch, firmware: build.firmware, image: target.image }),
      version: build.version,
      public: isPublic,
      createdAt,
      details: { image: target.image, tags, index, attached: [...attached] },
    });
  }
  return found;
}

/** Tags that lead to an image, and the index that they stand for where it is one. */
function tagsOf(
  digest: string,
  { tags, indexes }: RepositoryState,
): { readonly tags: readonly string[]; readonly index: string | null } {
  const holders = indexes.filter(({ index }) => index.children.some((child) => child === digest));
  const subjects = [digest, ...holders.map(({ index }) => index.digest)];
  const own = tags.filter(({ former }) => former !== null && subjects.includes(former)).map(({ tag }) => tag);
  return { tags: own.sort(), index: holders.find(({ present }) => present)?.index.digest ?? null };
}
