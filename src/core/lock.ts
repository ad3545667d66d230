import { z } from "zod";
import type { CloudImage, PackagesBase } from "./base.ts";
import { isDigest, type Digest } from "./digest.ts";
import { checkInput, recordOf } from "./input.ts";
import { ARCHES, type Arch, type Platform } from "./platform.ts";

const digest = z.custom<Digest>(
  (value) => typeof value === "string" && isDigest(value),
  "write it as sha256:<hexadecimal digits>",
);

const cloudImageEntry = recordOf({
  url: z.url(),
  digest,
  /** The checksum file the digest was read from. */
  source: z.url(),
  /** Fingerprint of the OpenPGP key that signed it; absent where the distribution does not sign. */
  signedBy: z
    .string()
    .regex(/^[0-9A-F]{40}$/)
    .optional(),
  resolvedAt: z.iso.datetime(),
});

const resolvedAt = z.iso.datetime();
const bytes = z.int().min(0);

const lockedPackage = recordOf({
  /** As the package manager writes it: `1.6.20~ds1-1+deb12u1`, `0:1.31.14-150500.1.1`. */
  version: z.string().min(1),
  /** In the package manager's words: `amd64`, `all`, `x86_64`, `noarch`. */
  arch: z.string().min(1),
  /** Of the package's file. */
  digest,
  bytes,
  /** Where its repository has it. */
  url: z.url(),
});

const packageSet = recordOf({
  /** What was asked for: `name` or `name@version`. An entry that was made for something else is stale. */
  wants: z.array(z.string()),
  recommends: z.boolean().default(false),
  /** Everything to install for it that no set before it brings, by name. */
  packages: z.record(z.string(), lockedPackage),
  resolvedAt,
});

const fileEntry = recordOf({ digest, bytes, resolvedAt });

/** A Kubernetes manifest with the container images that it names, as whole references. */
const manifestEntry = recordOf({ digest, bytes, images: z.array(z.string()), resolvedAt });

const imageEntry = recordOf({
  /** What the reference stands for: an image index, or the manifest of an image of one platform. */
  digest,
  /** The manifest by architecture, with the bytes that its blobs take, compressed. */
  platforms: z.partialRecord(z.enum(ARCHES), recordOf({ manifest: digest, bytes })),
  resolvedAt,
});

const lockSchema = recordOf({
  formatVersion: z.literal(1),
  /** By `distribution-release-arch`, for example `fedora-43-amd64`. */
  cloudImages: z.record(z.string(), cloudImageEntry).default({}),
  /** By `distribution-release-arch`, then by the step that installs them. */
  packages: z.record(z.string(), z.record(z.string(), packageSet)).default({}),
  /** By URL. */
  files: z.record(z.url(), fileEntry).default({}),
  manifests: z.record(z.url(), manifestEntry).default({}),
  /** By whole reference. */
  containerImages: z.record(z.string(), imageEntry).default({}),
});

export type CloudImageEntry = Readonly<z.output<typeof cloudImageEntry>>;
/** What floats, frozen: resolved by `kvci-build lock`, kept in the repository as `kvci-build.lock.json`. */
export type Lock = Readonly<z.output<typeof lockSchema>>;

export type LockedPackage = Readonly<z.output<typeof lockedPackage>>;
export type PackageSet = Readonly<z.output<typeof packageSet>>;
export type FileEntry = Readonly<z.output<typeof fileEntry>>;
export type ManifestEntry = Readonly<z.output<typeof manifestEntry>>;
export type ImageEntry = Readonly<z.output<typeof imageEntry>>;

/** Packages of one platform: what the lock has for a step that installs some, if it has anything. */
export type PackageLock = (set: string) => PackageSet | undefined;

export const EMPTY_LOCK: Lock = {
  formatVersion: 1,
  cloudImages: {},
  packages: {},
  files: {},
  manifests: {},
  containerImages: {},
};

/** The name of a cloud image's entry in the lock. */
export function cloudImageKey(image: Pick<CloudImage | PackagesBase, "distribution" | "release">, arch: Arch): string {
  return `${image.distribution}-${image.release}-${arch}`;
}

/** The name under which the lock keeps the packages of a platform. */
export function platformKey({
  distribution,
  release,
  arch,
}: Pick<Platform, "distribution" | "release" | "arch">): string {
  return `${distribution}-${release}-${arch}`;
}

/** @throws {InputError} `lock-invalid` */
export function parseLock(value: unknown, file: string): Lock {
  return checkInput(lockSchema, value, {
    code: "lock-invalid",
    what: `lock ${file}`,
    hint: "The lock is written by `kvci-build lock`; restore it from version control or make it anew.",
  });
}
