import type { Digest } from "../core/digest.ts";
import type { ByteSource } from "../oci/byte-source.ts";
import { checkSignal } from "../oci/check-signal.ts";
import type { DirectoryMap } from "./directory-map.ts";
import { cleanPath, markOf } from "./layer-paths.ts";
import { notConvertible, NotConvertible } from "./layer-problems.ts";
import { withTarOf } from "./layer-stream.ts";
import { openDirectory, type OverlayDirectory } from "./overlay-directory.ts";
import { tarOutput } from "./overlay-output.ts";
import type { Member } from "./raw-tar.ts";
import { readMembers } from "./raw-tar-reader.ts";

export { NotConvertible, type DirectoryMap };

/** What a layer is converted with. */
export interface LayerOptions {
  /** Decides only whether this is a tar at all; how it is compressed is seen from the bytes. */
  readonly mediaType: string;
  /** In front of all paths, without slash at its end: ".../snapshots/7/fs". It becomes a directory itself. */
  readonly folder: string;
  /** Of the layer that this one lies on; undefined for the lowest. Not changed. */
  readonly below: DirectoryMap | undefined;
  /** Gets the members of a tar, without an end-of-archive mark, in pieces of some 100 KiB. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly signal: AbortSignal;
}

/** A layer as overlayfs has it. */
export interface OverlayLayer {
  /** Of the uncompressed tar: to compare with the image's configuration before the layer is used. */
  readonly diffId: Digest;
  /** What `du` says of the directory, in bytes, on a file system whose blocks have 4 KiB; directories count one block. */
  readonly bytes: number;
  readonly inodes: number;
  /** Of the chain up to and including this layer, for the one above. */
  readonly directories: DirectoryMap;
}

/** Docker's and OCI's layers, also those that may not be distributed. Encrypted ones end otherwise. */
const TAR = /\.tar(?:[+.](?:gzip|zstd))?$/;

/**
 * Converts a layer (tar, tar+gzip or tar+zstd) to the members of a tar that hold what containerd's overlayfs snapshotter makes of it
 * (`archive/tar.go`, the same in containerd 1.6 to 2.1). Unpack it as root with GNU tar:
 * `tar -x --xattrs --xattrs-include='*' --numeric-owner -p --delay-directory-restore`.
 * Memory grows with the number of files, not with their sizes.
 *
 * @throws {KvciError} `layout-invalid` for a layer that is damaged or leads outside, `interrupted`.
 * @throws {NotConvertible} for a layer that containerd itself has to unpack. What was written until then is of no use.
 */
export async function convertLayer(blob: AsyncIterable<Uint8Array>, options: LayerOptions): Promise<OverlayLayer> {
  const { mediaType, folder, below, signal } = options;
  if (!TAR.test(mediaType)) throw notConvertible(`has the media type ${JSON.stringify(mediaType)}`);
  try {
    const output = tarOutput(options.write, signal);
    const directory = await openDirectory({ folder, below, output });
    const diffId = await withTarOf(blob, signal, (tar) => readMembers(tar, (...file) => apply(directory, ...file)));
    await output.flush();
    return { diffId, ...directory.usage(), directories: directory.map };
  } catch (error) {
    checkSignal(signal);
    throw error;
  }
}

async function apply(directory: OverlayDirectory, member: Member, content: Pick<ByteSource, "read">): Promise<void> {
  const path = cleanPath(member.path);
  // containerd passes over what a layer says of the root: that is always 0755 and root's.
  if (path.length === 0) return;
  const mark = markOf(path);
  if (mark.kind === "ignored") return;
  const parent = await directory.makeParent(path.slice(0, -1), member);
  if (mark.kind === "opaque") await directory.hideLower(parent);
  else if (mark.kind === "whiteout") await directory.hide([...parent, mark.name], member);
  else await directory.put([...parent, path.at(-1) ?? ""], member, content);
}
