import { checkSignal } from "../oci/check-signal.ts";
import type { ByteSource } from "../oci/byte-source.ts";
import { paddingBytes } from "../oci/tar-header.ts";
import { encodeMember, type Member } from "./raw-tar.ts";

/** How much of a file is read at a time, and about how much is written at a time. */
const PIECE_BYTES = 128 * 1024;

/** Members of a tar on their way out, gathered: most are far smaller than what is good to write at a time. */
export interface TarOutput {
  readonly add: (member: Member, content: Pick<ByteSource, "read">) => Promise<void>;
  readonly flush: () => Promise<void>;
}

export function tarOutput(write: (bytes: Uint8Array) => Promise<void>, signal: AbortSignal): TarOutput {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(waiting);
    waiting = [];
    waitingBytes = 0;
    if (bytes.byteLength > 0) await write(bytes);
  };
  const put = async (bytes: Buffer): Promise<void> => {
    checkSignal(signal);
    waiting.push(bytes);
    waitingBytes += bytes.byteLength;
    if (waitingBytes >= PIECE_BYTES) await flush();
  };
  const add: TarOutput["add"] = async (member, content) => {
    await put(encodeMember(member));
    for (let missing = member.sizeBytes; missing > 0;) {
      const piece = await content.read(Math.min(missing, PIECE_BYTES));
      missing -= piece.byteLength;
      await put(piece);
    }
    await put(Buffer.alloc(paddingBytes(member.sizeBytes)));
  };
  return { add, flush };
}
