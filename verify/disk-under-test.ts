import type { Digest } from "../src/core/digest.ts";
import { KvciError, messageOf } from "../src/core/error.ts";
import type { ContainerRuntime } from "../src/core/op.ts";
import type { Arch } from "../src/core/platform.ts";
import { digestOfFile } from "../src/host/file-digest.ts";

/** The final disk of a build, as its `build.json` describes it. */
export interface DiskUnderTest {
  /** Absolute path of the qcow2. */
  readonly path: string;
  /** What `build.json` says the file's sha256 is. */
  readonly digest: Digest;
  readonly arch: Arch;
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly firmware: "uefi" | "bios";
  readonly virtualBytes: number;
  /** The container images that the build put into the runtime's store; absent when it put none there. */
  readonly images?: LoadedImages | undefined;
  /** The public key the build got in with, as a line of authorized_keys; looked for in the clones. */
  readonly buildKey?: string | undefined;
  /** The machine-id the guest had while it was built. */
  readonly buildMachineId?: string | undefined;
}

export interface LoadedImages {
  readonly runtime: ContainerRuntime;
  readonly list: readonly LoadedImage[];
}

export interface LoadedImage {
  /** Whole reference, by which kubelet asks for it. */
  readonly ref: string;
  /** What the reference stands for: an image index or a manifest. */
  readonly digest: Digest;
  /** The manifest of the disk's platform. */
  readonly manifest: Digest;
}

/**
 * Reads the whole file once, so that the result is bound to the bytes that were tested and not to what a record says.
 *
 * @throws {KvciError} `build-not-found` when the disk is gone, `build-invalid` when its bytes are not those of the
 *   build, `interrupted` on abort.
 */
export async function assertDigest(disk: Pick<DiskUnderTest, "path" | "digest">, signal: AbortSignal): Promise<void> {
  const actual = await digest(disk.path, signal);
  if (actual === disk.digest) return;
  throw new KvciError("build-invalid", `${disk.path} is not the disk that was built`, {
    hint: "Build it again; a disk that was changed after its build is neither verified nor published.",
    evidence: [`build.json says ${disk.digest}`, `the file has ${actual}`],
  });
}

async function digest(path: string, signal: AbortSignal): Promise<Digest> {
  try {
    return await digestOfFile(path, "sha256", signal);
  } catch (error) {
    throw signal.aborted ? stopped(error) : unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): KvciError {
  return new KvciError("build-not-found", `the disk cannot be read: ${messageOf(cause)}`, {
    hint: `Build again, or name the folder that holds build.json and ${path.slice(path.lastIndexOf("/") + 1)}.`,
    cause,
  });
}

function stopped(cause: unknown): KvciError {
  return new KvciError("interrupted", "stopped while reading the disk", { hint: "Run the same command again.", cause });
}
