import { join, resolve } from "node:path";
import { readVerification } from "../../verify/record.ts";
import { writing } from "../core/file-system-error.ts";
import type { AnyPublisher } from "../publish/plan.ts";
import { imagesTable, PUBLISHED_FILE, readPublished, writePublished } from "../publish/published-images.ts";
import type { PublishedImage, ReleaseBuild } from "../publish/publisher.ts";
import { writeFileAtomic } from "../store/atomic.ts";
import type { Session } from "./session.ts";

export interface Recording {
  readonly builds: readonly ReleaseBuild[];
  readonly publishers: readonly AnyPublisher[];
  /** Folder of published-images.json. */
  readonly out: string;
}

/** Reads what exists from the targets, and keeps it in the list and in its page. */
export async function recordImages(
  { publishers, builds, out }: Recording,
  { signal, app }: Session,
): Promise<readonly PublishedImage[]> {
  const images = await presentImages(publishers, builds, signal);
  const folder = resolve(app.cwd, out);
  const path = join(folder, PUBLISHED_FILE);
  await writePublished(path, images, { targets: publishers.map(({ target }) => target), builds });
  const page = imagesTable(await readPublished(path));
  await writing(folder, () => writeFileAtomic(join(folder, "images.md"), page));
  return images;
}

/** What exists at the targets, with what is known of its builds here. */
export async function presentImages(
  publishers: readonly AnyPublisher[],
  builds: readonly ReleaseBuild[],
  signal: AbortSignal,
): Promise<readonly PublishedImage[]> {
  const found = await Promise.all(publishers.map((publisher) => publisher.published(builds, signal)));
  return Promise.all(found.flat().map((image) => described(image, builds)));
}

async function described(image: PublishedImage, builds: readonly ReleaseBuild[]): Promise<PublishedImage> {
  const build = builds.find(({ content, arch, version }) => {
    return content === image.content && arch === image.arch && version === image.version;
  });
  if (!build) return image;
  const results = await readVerification(build.folder, build.diskDigest);
  const verification = results.map(({ suite, place, ok, startedAt }) => ({ suite, place, ok, startedAt }));
  return { ...image, verification, details: { ...image.details, labels: build.labels } };
}
