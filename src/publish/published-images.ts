import { readFile } from "node:fs/promises";
import { z } from "zod";
import { KvciError, messageOf } from "../core/error.ts";
import { writing } from "../core/file-system-error.ts";
import { ARCHES } from "../core/platform.ts";
import { digestSchema } from "../core/record-schemas.ts";
import { writeFileAtomic } from "../store/atomic.ts";
import type { PublishedImage, ReleaseBuild } from "./publisher.ts";

export const PUBLISHED_FILE = "published-images.json";

const image = z.object({
  target: z.string(),
  kind: z.enum(["registry", "aws", "gcp"]),
  owner: z.string(),
  place: z.string(),
  id: z.string(),
  name: z.string(),
  arch: z.enum(ARCHES),
  content: digestSchema,
  attributes: digestSchema,
  version: z.string(),
  public: z.boolean(),
  createdAt: z.string(),
  deprecateAt: z.string().optional(),
  supersedes: z.array(z.string()).optional(),
  verification: z
    .array(z.object({ suite: z.string(), place: z.string(), ok: z.boolean(), startedAt: z.string() }))
    .optional(),
  details: z.record(z.string(), z.json()),
});
const publishedImages = z.object({
  schema: z.literal("kvci-build/published-images"),
  version: z.literal(1),
  images: z.array(image),
});

/** @returns nothing where there is no such file yet. @throws {KvciError} `build-invalid` */
export async function readPublished(path: string): Promise<readonly PublishedImage[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch {
    return [];
  }
  try {
    return publishedImages.parse(JSON.parse(text)).images as readonly PublishedImage[];
  } catch (cause) {
    throw new KvciError("build-invalid", `${path} is not a list of published images`, {
      hint: "Move it away; `kvci-build publish` writes it anew from what is at the targets.",
      evidence: messageOf(cause).split("\n").slice(0, 10),
      cause,
    });
  }
}

/** What was asked of which targets: also what is gone from there is known then. */
export interface Asked {
  readonly targets: readonly string[];
  readonly builds: readonly Pick<ReleaseBuild, "version" | "arch" | "content">[];
}

/** Puts what was read from targets into the file: entries of the same target and release are replaced, others stay. */
export async function writePublished(
  path: string,
  fresh: readonly PublishedImage[],
  asked: Asked = { targets: [], builds: [] },
): Promise<void> {
  const release = ({ target, version, arch, name }: PublishedImage): string =>
    JSON.stringify([target, version, arch, name]);
  const replaced = new Set(fresh.map(release));
  const known = await readPublished(path);
  const images = [...known.filter((each) => !replaced.has(release(each)) && !isAsked(each, asked)), ...fresh];
  const text = JSON.stringify(
    { schema: "kvci-build/published-images", version: 1, images: sorted(images) },
    undefined,
    2,
  );
  await writing(path, () => writeFileAtomic(path, `${text}\n`));
}

function isAsked({ target, version, arch, content }: PublishedImage, { targets, builds }: Asked): boolean {
  const isSame = (build: Asked["builds"][number]): boolean =>
    build.version === version && build.arch === arch && build.content === content;
  return targets.includes(target) && builds.some(isSame);
}

function sorted(images: readonly PublishedImage[]): readonly PublishedImage[] {
  const order = ({ target, version, arch, place, id }: PublishedImage): string =>
    [target, version, arch, place, id].join("\0");
  return [...images].sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** A page for people: a table per release, as `docs/images.md` of a project. */
export function imagesTable(images: readonly PublishedImage[]): string {
  const releases = Map.groupBy(sorted(images), ({ version }) => version);
  const sections = [...releases.entries()].sort(([a], [b]) => b.localeCompare(a, "en", { numeric: true }));
  const text = sections.map(([version, entries]) => [`## ${version}`, "", ...rows(entries), ""].join("\n"));
  return ["# Images", "", "Made by `kvci-build publish`; do not edit.", "", ...text].join("\n");
}

function rows(images: readonly PublishedImage[]): string[] {
  const cells = images.map((each) => [
    each.target,
    each.place,
    each.name,
    each.arch,
    `\`${each.id}\``,
    each.public ? "public" : "private",
    each.createdAt.slice(0, 10),
  ]);
  const head = ["target", "where", "name", "arch", "image", "who", "since"];
  return [head, head.map(() => "---"), ...cells].map((row) => `| ${row.join(" | ")} |`);
}
