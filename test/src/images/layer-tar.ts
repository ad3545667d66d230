import { convertLayer, type DirectoryMap, type OverlayLayer } from "../../../src/images/overlay-layer.ts";
import { encodeMember, type Member } from "../../../src/images/raw-tar.ts";
import { readMembers } from "../../../src/images/raw-tar-reader.ts";
import { streamSource } from "../../../src/oci/byte-source.ts";
import { paddingBytes, TAR_END_BYTES } from "../../../src/oci/tar-header.ts";

/** A member of a layer; what is not said is plain: a file of root's, 0644, from 1970. */
export type Entry = Pick<Member, "path"> & Partial<Member> & { readonly content?: string };

const PLAIN = { type: "file", mode: 0o644, uid: 0, gid: 0, mtime: "0", xattrs: undefined, linkPath: "" } as const;

/** A member with its content. */
export function memberBytes({ content = "", ...entry }: Entry): Buffer {
  const sizeBytes = Buffer.byteLength(content);
  const member = { ...PLAIN, deviceMajor: 0, deviceMinor: 0, sizeBytes, ...entry };
  return Buffer.concat([encodeMember(member), Buffer.from(content), Buffer.alloc(paddingBytes(sizeBytes))]);
}

export const TAR_END = Buffer.alloc(TAR_END_BYTES);

/** A whole tar. */
export function layerTar(entries: readonly Entry[]): Buffer {
  return Buffer.concat([...entries.map(memberBytes), TAR_END]);
}

export const dir = (path: string, more: Partial<Member> = {}): Entry => ({
  path: `${path}/`,
  type: "directory",
  mode: 0o755,
  ...more,
});
export const file = (path: string, more: Partial<Entry> = {}): Entry => ({ path, ...more });
export const symlink = (path: string, linkPath: string): Entry => ({ path, type: "symlink", mode: 0o777, linkPath });
export const hardlink = (path: string, linkPath: string, more: Partial<Member> = {}): Entry => ({
  path,
  type: "hardlink",
  linkPath,
  ...more,
});

/** Bytes in pieces of some length. */
export async function* inPieces(bytes: Uint8Array, pieceBytes = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += pieceBytes) {
    yield await Promise.resolve(bytes.subarray(start, start + pieceBytes));
  }
}

export interface Converted extends OverlayLayer {
  /** One line for each member that was written: type, mode, owner, path, and what else there is. */
  readonly lines: readonly string[];
  readonly members: readonly Member[];
  readonly bytesWritten: Buffer;
}

/** Converts the layer of a tar, or of entries, into the folder "fs". */
export async function convert(layer: Buffer | readonly Entry[], below?: DirectoryMap): Promise<Converted> {
  const written: Uint8Array[] = [];
  const bytes = "byteLength" in layer ? layer : layerTar(layer);
  const converted = await convertLayer(inPieces(bytes), {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    folder: "fs",
    below,
    write: (piece) => Promise.resolve(void written.push(piece)),
    signal: new AbortController().signal,
  });
  const bytesWritten = Buffer.concat(written);
  return { ...converted, ...(await membersOf(bytesWritten)), bytesWritten };
}

/** Converts layers, each on the one before it. @returns the last. */
export async function convertChain(...layers: readonly (readonly Entry[])[]): Promise<Converted> {
  let last: Converted | undefined;
  for (const layer of layers) last = await convert(layer, last?.directories);
  return last ?? convert([]);
}

async function membersOf(tar: Buffer): Promise<Pick<Converted, "lines" | "members">> {
  const members: Member[] = [];
  const lines: string[] = [];
  await readMembers(streamSource(inPieces(tar) as AsyncIterable<Buffer>), async (member, content) => {
    members.push(member);
    lines.push(lineOf(member, (await content.read(member.sizeBytes)).toString()));
  });
  return { members, lines };
}

function lineOf({ type, mode, uid, gid, path, linkPath, xattrs, ...device }: Member, content: string): string {
  const isDevice = type.endsWith("device");
  const more = [
    ...(linkPath === "" ? [] : ["->", linkPath]),
    ...(isDevice ? [`${device.deviceMajor}/${device.deviceMinor}`] : []),
    ...[...(xattrs ?? [])].map(([name, value]) => `${name}=${value}`),
    ...(content === "" ? [] : [JSON.stringify(content)]),
  ];
  return [type, mode.toString(8).padStart(4, "0"), `${uid}:${gid}`, path, ...more].join(" ");
}
