import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";

/** What Compute Engine looks for in a tarball, and where it is. */
export interface TarIndex {
  readonly realBytes: number;
  readonly extents: readonly { readonly offset: number; readonly bytes: number }[];
}

const GIB = 2 ** 30;
const BLOCK = 512;

/** What an import says of a tarball that it does not take. */
class BadTarball extends Error {
  override readonly name = "BadTarball";
}

/**
 * Reads a whole tarball: a gzip'd tar in GNU's old format with one member, `disk.raw`, of whole GiB, sparse or not.
 *
 * @throws {BadTarball}
 */
export async function indexTarball(path: string): Promise<TarIndex> {
  const reader = new Reader(unpacked(path));
  try {
    const index = await readMember(reader);
    await reader.skip(storedBytes(index));
    await readEnd(reader);
    return index;
  } catch (error) {
    if (error instanceof BadTarball) throw error;
    throw new BadTarball(`The tar archive is not readable: ${String(error)}`);
  } finally {
    reader.close();
  }
}

/** The disk in a tarball, holes as zeros. */
export async function* rawDiskOf(path: string, { realBytes, extents }: TarIndex): AsyncGenerator<Buffer> {
  const reader = new Reader(unpacked(path));
  try {
    await readMember(reader);
    let at = 0;
    for (const { offset, bytes } of extents) {
      yield* zeros(offset - at);
      for (let left = bytes; left > 0;) {
        const piece = await reader.some(left);
        left -= piece.length;
        yield piece;
      }
      at = offset + bytes;
    }
    yield* zeros(realBytes - at);
  } finally {
    reader.close();
  }
}

function* zeros(bytes: number): Generator<Buffer> {
  const block = Buffer.alloc(Math.min(bytes, 2 ** 20));
  for (let left = bytes; left > 0; left -= block.length) yield block.subarray(0, Math.min(left, block.length));
}

function unpacked(path: string): AsyncIterable<Buffer> & { destroy(): void } {
  const file = createReadStream(path);
  const gunzip = createGunzip();
  file.on("error", (error) => gunzip.destroy(error));
  return file.pipe(gunzip);
}

class Reader {
  readonly #source: AsyncIterable<Buffer> & { destroy(): void };
  readonly #pieces: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer> & { destroy(): void }) {
    this.#source = source;
    this.#pieces = source[Symbol.asyncIterator]();
  }

  /** Up to `bytes`, at least one. */
  async some(bytes: number): Promise<Buffer> {
    while (this.#held.length === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) throw new BadTarball("The tar archive ends too early.");
      this.#held = next.value;
    }
    const piece = this.#held.subarray(0, bytes);
    this.#held = this.#held.subarray(piece.length);
    return piece;
  }

  async exactly(bytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let left = bytes; left > 0;) {
      const piece = await this.some(left);
      pieces.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  async skip(bytes: number): Promise<void> {
    for (let left = bytes; left > 0;) left -= (await this.some(left)).length;
  }

  /** Everything that is left. */
  async *rest(): AsyncGenerator<Buffer> {
    yield this.#held;
    for (;;) {
      const next = await this.#pieces.next();
      if (next.done === true) return;
      yield next.value;
    }
  }

  close(): void {
    this.#source.destroy();
  }
}

async function readMember(reader: Reader): Promise<TarIndex> {
  const header = await reader.exactly(BLOCK);
  if (header.toString("latin1", 257, 265) !== "ustar  \0") {
    throw new BadTarball("The tar archive is not in oldgnu format.");
  }
  checkSum(header);
  const name = header.toString("latin1", 0, header.indexOf(0));
  if (name !== "disk.raw") throw new BadTarball(`The tar archive must hold disk.raw, not ${name}.`);
  const stored = numberAt(header, 124);
  const index = await mapOf(reader, header, stored);
  if (storedBytes(index) !== stored) throw new BadTarball("The sparse map does not fit the size of the member.");
  if (index.realBytes === 0 || index.realBytes % GIB !== 0) {
    throw new BadTarball("The disk's size is no multiple of 1 GB.");
  }
  return index;
}

async function mapOf(reader: Reader, header: Buffer, stored: number): Promise<TarIndex> {
  const type = header.toString("latin1", 156, 157);
  if (type === "S") return sparse(reader, header);
  if (type === "0") return { realBytes: stored, extents: [{ offset: 0, bytes: stored }] };
  throw new BadTarball(`The tar member is of type ${type}.`);
}

async function sparse(reader: Reader, header: Buffer): Promise<TarIndex> {
  const extents = entriesOf(header, 386, 4);
  let isExtended = header[482] === 1;
  while (isExtended) {
    const block = await reader.exactly(BLOCK);
    extents.push(...entriesOf(block, 0, 21));
    isExtended = block[504] === 1;
  }
  const realBytes = numberAt(header, 483);
  let end = 0;
  for (const { offset, bytes } of extents) {
    if (offset < end || offset + bytes > realBytes) throw new BadTarball("The sparse map is out of order.");
    end = offset + bytes;
  }
  return { realBytes, extents: extents.filter(({ bytes }) => bytes > 0) };
}

function entriesOf(block: Buffer, at: number, count: number): { offset: number; bytes: number }[] {
  const entries = Array.from({ length: count }, (_, index) => at + index * 24);
  return entries
    .filter((from) => block.subarray(from, from + 24).some((byte) => byte !== 0))
    .map((from) => ({ offset: numberAt(block, from), bytes: numberAt(block, from + 12) }));
}

/** Octal, or, with the high bit set, the number itself. */
function numberAt(block: Buffer, at: number): number {
  if (((block[at] ?? 0) & 0x80) !== 0) return Number(block.readBigUInt64BE(at + 4));
  const text = block.toString("latin1", at, at + 12).replace(/[\0 ]+$/, "");
  if (!/^[0-7]+$/.test(text)) throw new BadTarball(`The tar archive has an odd number, ${text}.`);
  return Number.parseInt(text, 8);
}

function checkSum(header: Buffer): void {
  const copy = Buffer.from(header);
  copy.fill(0x20, 148, 156);
  const sum = copy.reduce((total, byte) => total + byte, 0);
  const told = Number.parseInt(header.toString("latin1", 148, 154), 8);
  if (sum !== told) throw new BadTarball("The tar header's checksum is wrong.");
}

function storedBytes({ extents }: TarIndex): number {
  return extents.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Two empty blocks at least, and nothing else. */
async function readEnd(reader: Reader): Promise<void> {
  let bytes = 0;
  for await (const piece of reader.rest()) {
    if (piece.some((byte) => byte !== 0)) throw new BadTarball("The tar archive has more than one member.");
    bytes += piece.length;
  }
  if (bytes < 2 * BLOCK) throw new BadTarball("The tar archive has no end.");
}
