import { cloudImageKey, platformKey, type Lock } from "../core/lock.ts";
import { BASE_SET, wantedFiles, wantedImages, wantedManifests, type LockTarget } from "./lock-targets.ts";

/** The entries of a lock that these templates want, and no others. */
export function entriesFor(lock: Lock, targets: readonly LockTarget[]): Lock {
  const manifests = wantedManifests(targets);
  const named = manifests.flatMap((url) => lock.manifests[url]?.images ?? []);
  const cloud = targets.flatMap(({ cloudImage, arch }) => (cloudImage ? [cloudImageKey(cloudImage, arch)] : []));
  return {
    ...lock,
    cloudImages: only(lock.cloudImages, cloud),
    packages: wantedSets(lock, targets),
    files: only(lock.files, wantedFiles(targets)),
    manifests: only(lock.manifests, manifests),
    containerImages: only(lock.containerImages, [...wantedImages(targets), ...named]),
  };
}

function wantedSets({ packages }: Lock, targets: readonly LockTarget[]): Lock["packages"] {
  const platforms = Map.groupBy(targets, ({ platform }) => platformKey(platform));
  const kept = Object.entries(packages).map(([platform, sets]) => {
    const own = platforms.get(platform) ?? [];
    const named = own.flatMap(({ needs }) => needs.flatMap((need) => (need.kind === "packages" ? [need.set] : [])));
    const names = own.some(({ basePackages }) => basePackages.length > 0) ? [...named, BASE_SET] : named;
    return [platform, only(sets, names)] as const;
  });
  return Object.fromEntries(kept.filter(([, sets]) => Object.keys(sets).length > 0));
}

function only<T>(section: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  const wanted = new Set(names);
  return Object.fromEntries(Object.entries(section).filter(([name]) => wanted.has(name)));
}
