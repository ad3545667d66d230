import { sha256 } from "../../../src/core/digest.ts";
import { KvciError } from "../../../src/core/error.ts";
import type { PackageSet } from "../../../src/core/lock.ts";
import type { Need } from "../../../src/core/need.ts";
import type { Platform } from "../../../src/core/platform.ts";
import type { LockTarget } from "../../../src/lock/lock-targets.ts";
import type { LockPorts } from "../../../src/lock/resolve-lock.ts";

const DEBIAN: Platform = {
  os: "linux",
  arch: "amd64",
  family: "apt",
  distribution: "debian",
  release: "12",
  bootLoader: "systemd-boot",
};

export function target(template: string, needs: readonly Need[], changes: Partial<LockTarget> = {}): LockTarget {
  return {
    template,
    arch: "amd64",
    platform: DEBIAN,
    cloudImage: undefined,
    basePackages: [],
    needs,
    dir: "/t",
    ...changes,
  };
}

export function packagesNeed(set: string, ...names: readonly string[]): Need {
  return { kind: "packages", set, names, recommends: false };
}

type Undated = Omit<PackageSet, "resolvedAt">;

/** A set that installs packages of those names, in that version. */
export function packageSet(wants: readonly string[], versions: Readonly<Record<string, string>>): Undated {
  const packages = Object.entries(versions).map(([name, version]) => {
    const url = `https://deb.example/${name}_${version}.deb`;
    return [name, { version, arch: "amd64", digest: sha256(`${name} ${version}`), bytes: 1, url }] as const;
  });
  return { wants: [...wants], recommends: false, packages: Object.fromEntries(packages) };
}

/** Everything that floats, as this fake has it; what it does not have cannot be resolved. */
export interface FakeSources {
  files: Record<string, string>;
  /** Images that a manifest names, by its URL. */
  manifests: Record<string, readonly string[]>;
  images: Record<string, readonly ("amd64" | "arm64" | "s390x")[]>;
  /** By the name of the last set that is asked for. */
  packages: Record<string, Record<string, Undated>>;
  cloudImages: Record<string, string>;
  date: string;
}

export function fakeSources(changes: Partial<FakeSources> = {}): {
  sources: FakeSources;
  ports: LockPorts;
  asked: string[];
} {
  const sources: FakeSources = {
    files: {},
    manifests: {},
    images: {},
    packages: {},
    cloudImages: {},
    date: "2026-01-01T00:00:00.000Z",
    ...changes,
  };
  const asked: string[] = [];
  const have = <T>(what: string, found: T | undefined): Promise<T> => {
    asked.push(what);
    return found === undefined ? Promise.reject(absent(what)) : Promise.resolve(found);
  };
  const ports: LockPorts = {
    now: () => new Date(sources.date),
    cloudImage: async ({ release }, arch) => {
      const build = await have(`cloud ${release} ${arch}`, sources.cloudImages[`${release} ${arch}`]);
      const url = `https://cloud.example/${build}`;
      return { url, digest: sha256(build), source: "https://cloud.example/SUMS", resolvedAt: sources.date };
    },
    packages: (task) => {
      const last = task.needs.filter((need) => need.kind === "packages").at(-1)?.set ?? "base";
      return have(`packages ${last}`, sources.packages[last]);
    },
    file: async (url) => {
      const text = await have(url, sources.files[url]);
      return { digest: sha256(text), bytes: text.length };
    },
    manifest: async (url) => {
      const images = [...(await have(url, sources.manifests[url]))];
      return {
        digest: sha256(images.join()),
        bytes: 1,
        images,
        untagged: images.filter((ref) => ref.endsWith(":latest")),
      };
    },
    image: async (ref) => {
      const arches = await have(ref, sources.images[ref]);
      const platforms = arches.map((arch) => [arch, { manifest: sha256(`${ref} ${arch}`), bytes: 5 }] as const);
      return { digest: sha256(ref), platforms: Object.fromEntries(platforms) };
    },
  };
  return { sources, ports, asked };
}

function absent(what: string): KvciError {
  return new KvciError("download-failed", `${what} is not here`, { hint: "Look elsewhere." });
}
