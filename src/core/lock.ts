import { z } from "zod";
import type { CloudImage, PackagesBase } from "./base.ts";
import { isDigest, type Digest } from "./digest.ts";
import { checkInput, recordOf } from "./input.ts";
import type { Arch } from "./platform.ts";

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

const lockSchema = recordOf({
  formatVersion: z.literal(1),
  /** By `distribution-release-arch`, for example `fedora-43-amd64`. */
  cloudImages: z.record(z.string(), cloudImageEntry).default({}),
});

export type CloudImageEntry = Readonly<z.output<typeof cloudImageEntry>>;
/** What floats, frozen: resolved by `kvci-build lock`, kept in the repository as `kvci-build.lock.json`. */
export type Lock = Readonly<z.output<typeof lockSchema>>;

export const EMPTY_LOCK: Lock = { formatVersion: 1, cloudImages: {} };

/** The name of a cloud image's entry in the lock. */
export function cloudImageKey(image: Pick<CloudImage | PackagesBase, "distribution" | "release">, arch: Arch): string {
  return `${image.distribution}-${image.release}-${arch}`;
}

/** @throws {InputError} `lock-invalid` */
export function parseLock(value: unknown, file: string): Lock {
  return checkInput(lockSchema, value, {
    code: "lock-invalid",
    what: `lock ${file}`,
    hint: "The lock is written by `kvci-build lock`; restore it from version control or make it anew.",
  });
}
