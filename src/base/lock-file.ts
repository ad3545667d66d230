import { readFile } from "node:fs/promises";
import type { CloudImage } from "../core/base.ts";
import { canonicalJson } from "../core/canonical-json.ts";
import { KvciError, messageOf } from "../core/error.ts";
import { cloudImageKey, EMPTY_LOCK, parseLock, type CloudImageEntry, type Lock } from "../core/lock.ts";
import type { Arch } from "../core/platform.ts";
import { writeFileAtomic } from "../store/atomic.ts";

export const LOCK_FILE = "kvci-build.lock.json";

/** An image that a template starts from, on one of its architectures. */
export interface WantedImage {
  readonly image: CloudImage;
  readonly arch: Arch;
}

/**
 * Reads the lock; without a file, the empty one.
 *
 * @throws {InputError} `lock-invalid`
 */
export async function readLock(path: string): Promise<Lock> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw unusable(path, error);
  });
  if (text === undefined) return EMPTY_LOCK;
  return parseLock(parseJson(text), path);
}

/** Invalid JSON becomes a value that no schema takes, so that both mistakes are told in the same way. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Writes the lock: keys sorted, two spaces, so that a change shows as the lines that changed. Readers see the old file or the new one. */
export async function writeLock(path: string, lock: Lock): Promise<void> {
  try {
    await writeFileAtomic(path, lockText(lock));
  } catch (error) {
    throw unusable(path, error);
  }
}

export function lockText(lock: Lock): string {
  return `${JSON.stringify(sorted(lock), undefined, 2)}\n`;
}

/**
 * The lock with every wanted image resolved anew; other entries stay. Images with a digest of their own need none. An entry
 * that comes out the same keeps its date, so that a lock without news is the same file.
 */
export async function updateLock(
  lock: Lock,
  wanted: readonly WantedImage[],
  resolve: (image: CloudImage, arch: Arch) => Promise<CloudImageEntry>,
): Promise<Lock> {
  const cloudImages = new Map(Object.entries(lock.cloudImages));
  const floating = new Map(
    wanted
      .filter(({ image }) => image.digest === undefined)
      .map((item) => [cloudImageKey(item.image, item.arch), item]),
  );
  for (const [name, { image, arch }] of floating) {
    const entry = await resolve(image, arch);
    const old = cloudImages.get(name);
    cloudImages.set(name, old && undated(old) === undated(entry) ? old : entry);
  }
  return { ...lock, cloudImages: Object.fromEntries(cloudImages) };
}

function undated(entry: CloudImageEntry): string {
  return canonicalJson({ ...entry, resolvedAt: "" });
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member)]));
}

function unusable(path: string, cause: unknown): KvciError {
  return new KvciError("lock-invalid", `${path}: ${messageOf(cause)}`, {
    hint: "The lock lies beside the templates' folder; check that it can be read and written.",
    cause,
  });
}
