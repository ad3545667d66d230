import type { CloudImageEntry, FileEntry, ImageEntry, ManifestEntry, PackageSet } from "../core/lock.ts";

/** An entry before anybody dated it. */
export type Undated<T> = Omit<T, "resolvedAt">;

/** What was found out, by the lock's own names; package sets by `taskKey` of what they were resolved for. */
export interface Resolved {
  readonly cloudImages: Map<string, CloudImageEntry>;
  readonly packages: Map<string, Readonly<Record<string, Undated<PackageSet>>>>;
  readonly files: Map<string, Undated<FileEntry>>;
  readonly manifests: Map<string, Undated<ManifestEntry>>;
  readonly images: Map<string, Undated<ImageEntry>>;
}
