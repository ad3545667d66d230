import { canonicalJson } from "../core/canonical-json.ts";
import { shortDigest } from "../core/digest.ts";
import type { Lock } from "../core/lock.ts";

const SECTIONS = ["cloud images", "packages", "files", "manifests", "container images"] as const;
export type LockSection = (typeof SECTIONS)[number];

/** An entry that two locks do not have alike. */
export interface LockChange {
  readonly section: LockSection;
  /** Its name in the lock; of a package: platform, set and name. */
  readonly entry: string;
  /** A few words for people: a version, a digest's first digits. Undefined where the lock has no such entry. */
  readonly was: string | undefined;
  readonly is: string | undefined;
}

/** How many entries a section has, and what became of them. */
export interface SectionCounts {
  readonly section: LockSection;
  readonly entries: number;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
}

interface Shown {
  readonly words: string;
  /** What it says beside its date. */
  readonly content: string;
  readonly digest: string;
}

type Entries = ReadonlyMap<string, Shown>;

/** What is different, by section and name. A new date alone is no change. */
export function lockChanges(before: Lock, after: Lock): LockChange[] {
  return SECTIONS.flatMap((section) => {
    const [old, now] = [entriesOf(before, section), entriesOf(after, section)];
    const names = [...new Set([...old.keys(), ...now.keys()])].sort();
    return names.flatMap((entry) => {
      const [was, is] = [old.get(entry), now.get(entry)];
      return was?.content === is?.content ? [] : [{ section, entry, ...words(was, is) }];
    });
  });
}

/** @param changes between some lock and `after`. */
export function countSections(after: Lock, changes: readonly LockChange[]): SectionCounts[] {
  return SECTIONS.map((section) => {
    const own = changes.filter((change) => change.section === section);
    const added = own.filter(({ was }) => was === undefined).length;
    const removed = own.filter(({ is }) => is === undefined).length;
    const entries = entriesOf(after, section).size;
    return { section, entries, added, removed, changed: own.length - added - removed };
  });
}

/** The same words for different content would say nothing: then digests tell them apart. */
function words(was: Shown | undefined, is: Shown | undefined): Pick<LockChange, "was" | "is"> {
  const alike = was !== undefined && is !== undefined && was.words === is.words;
  const text = (shown: Shown | undefined): string | undefined =>
    shown && alike ? `${shown.words} (${shortDigest(shown.digest)})` : shown?.words;
  return { was: text(was), is: text(is) };
}

function entriesOf(lock: Lock, section: LockSection): Entries {
  switch (section) {
    case "cloud images":
      return shownEntries(lock.cloudImages, ({ url }) => url.split("/").at(-1) ?? url);
    case "packages":
      return packageEntries(lock.packages);
    case "files":
      return shownEntries(lock.files, ({ digest }) => shortDigest(digest));
    case "manifests":
      return shownEntries(lock.manifests, ({ digest, images }) => `${shortDigest(digest)}, ${images.length} images`);
    case "container images":
      return shownEntries(lock.containerImages, ({ digest }) => shortDigest(digest));
  }
}

function shownEntries<T extends { readonly digest: string }>(
  section: Readonly<Record<string, T>>,
  show: (entry: T) => string,
): Entries {
  return new Map(Object.entries(section).map(([name, entry]) => [name, shown(entry, show(entry))]));
}

function packageEntries(packages: Lock["packages"]): Entries {
  return new Map(
    Object.entries(packages).flatMap(([platform, sets]) =>
      Object.entries(sets).flatMap(([set, { packages: own }]) =>
        Object.entries(own).map(([name, each]) => [`${platform} ${set} ${name}`, shown(each, each.version)] as const),
      ),
    ),
  );
}

function shown(entry: { readonly digest: string }, text: string): Shown {
  return { words: text, content: canonicalJson({ ...entry, resolvedAt: "" }), digest: entry.digest };
}
