/** "QFI\xfb". */
const MAGIC = 0x514649fb;
/** Header extension that holds the backing file's format. */
const BACKING_FORMAT = 0xe2792aca;
/** Incompatible feature bit 2: the guest's data is in another file, which the header names. */
const EXTERNAL_DATA = 1n << 2n;
/** The specification's limit for the length of a backing file's name. */
const MAX_NAME_BYTES = 1023;
/** Length of a version 2 header, after which extensions begin. */
const V2_BYTES = 72;
/** The least length of a version 3 header; no file that holds a disk is shorter. */
const V3_BYTES = 104;

/** Bytes from the start of a file that `qcow2Header` needs: qemu-img keeps names in the first cluster, 64 KiB. */
export const QCOW2_HEAD_BYTES = 64 * 1024;

/** What a qcow2 says of itself and of the files it needs. */
export interface Qcow2Header {
  /** Bytes the guest sees. */
  readonly virtualBytes: number;
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  /** Whether its data is in another file. */
  readonly externalData: boolean;
}

/**
 * Reads the start of a qcow2 without opening anything it names, which `qemu-img info` may do: fit for files of strangers.
 * See docs/interop/qcow2.txt of QEMU.
 *
 * @returns undefined for anything that is no whole qcow2 header.
 */
export function qcow2Header(head: Buffer): Qcow2Header | undefined {
  const version = versionOf(head);
  if (version === undefined) return undefined;
  const name = backingName(head);
  const backingFormat = extension(head, version === 2 ? V2_BYTES : head.readUInt32BE(100), BACKING_FORMAT);
  if (name === "unreadable" || backingFormat === "unreadable") return undefined;
  return {
    virtualBytes: Number(head.readBigUInt64BE(24)),
    backingFile: name?.text,
    backingFormat: backingFormat?.text,
    externalData: version === 3 && (head.readBigUInt64BE(72) & EXTERNAL_DATA) !== 0n,
  };
}

function versionOf(head: Buffer): 2 | 3 | undefined {
  if (head.length < V3_BYTES || head.readUInt32BE(0) !== MAGIC) return undefined;
  const version = head.readUInt32BE(4);
  return version === 2 || version === 3 ? version : undefined;
}

type Text = { readonly text: string } | "unreadable" | undefined;

function backingName(head: Buffer): Text {
  const [offset, length] = [Number(head.readBigUInt64BE(8)), head.readUInt32BE(16)];
  if (offset === 0) return undefined;
  if (length > MAX_NAME_BYTES || offset + length > head.length) return "unreadable";
  return { text: head.toString("utf8", offset, offset + length) };
}

/** Extensions are type, length, data padded to 8 bytes; type 0 ends them. */
function extension(head: Buffer, start: number, wanted: number): Text {
  for (let at = start; at + 8 <= head.length;) {
    const [type, length] = [head.readUInt32BE(at), head.readUInt32BE(at + 4)];
    if (type === 0) return undefined;
    if (at + 8 + length > head.length) return "unreadable";
    if (type === wanted) return { text: head.toString("utf8", at + 8, at + 8 + length) };
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return "unreadable";
}
