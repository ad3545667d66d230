import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Arch } from "../../core/platform.ts";
import type { AptPlace, AptRoot } from "./apt-root.ts";

/** What apt takes when a repository offers it, best first; as most repositories offer no others. */
const COMPRESSED = [".xz", ".gz", ".bz2", ".zst", ""];

/** URLs of signed lists and package indexes, from the lists that were read and checked. */
export async function aptIndexFiles({ folder, places }: AptRoot, arch: Arch): Promise<readonly string[]> {
  const found = await Promise.all(
    places.flatMap((place) =>
      place.source.suites.map((suite) => filesOfSuite(join(folder, "lists"), { place, suite, arch })),
    ),
  );
  return found.flat();
}

interface Suite {
  readonly place: AptPlace;
  readonly suite: string;
  readonly arch: Arch;
}

async function filesOfSuite(lists: string, { place, suite, arch }: Suite): Promise<readonly string[]> {
  // A suite that ends with a slash is a folder of its own.
  const folder = suite.endsWith("/") ? suite.replace(/^\.?\/+/, "") : `dists/${suite}/`;
  const at = (name: string): string => new URL(`${place.uri}${folder}${name}`).href;
  const inRelease = await listed(lists, `${place.fetchedFrom}${folder}InRelease`);
  const release = inRelease ?? (await listed(lists, `${place.fetchedFrom}${folder}Release`)) ?? "";
  const signed = inRelease === undefined ? ["Release", "Release.gpg"] : ["InRelease"];
  return [...signed, ...packageIndexes(release, { place, suite, arch })].map(at);
}

/** Of every component the index, packed in the two best ways that there are. */
function packageIndexes(release: string, { place, suite, arch }: Suite): readonly string[] {
  const names = new Set([...release.matchAll(/^ [0-9a-f]{64} +\d+ (\S+)$/gm)].map(([, name]) => name ?? ""));
  // Most repositories list packages for all architectures with those of each, and a file of their own that is not asked for.
  const arches = /^No-Support-for-Architecture-all: Packages$/m.test(release) ? [arch] : [arch, "all"];
  const components = place.source.components.flatMap((component) =>
    arches.map((each) => `${component}/binary-${each}/`),
  );
  const folders = suite.endsWith("/") ? [""] : components;
  return folders.flatMap((folder) => {
    const offered = COMPRESSED.map((suffix) => `${folder}Packages${suffix}`).filter((name) => names.has(name));
    // Distributions list what is not compressed, and do not have it.
    return offered.length > 1 ? offered.filter((name) => !name.endsWith("Packages")).slice(0, 2) : offered;
  });
}

/** A file of apt's lists, which has its URL for a name. */
async function listed(lists: string, url: string): Promise<string | undefined> {
  const name = decodeURI(url)
    .replace(/^\w+:\/\//, "")
    .replace(/[\\|{}[\]<>"^~_=!@#$%&*]/g, (each) => `%${each.charCodeAt(0).toString(16)}`)
    .replaceAll("/", "_");
  return readFile(join(lists, name), "utf8").catch(() => undefined);
}
