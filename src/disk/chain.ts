import { open } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import { errnoOf } from "../core/file-system-error.ts";
import { runProgram } from "../host/program.ts";
import { qcow2Header, QCOW2_HEAD_BYTES, type Qcow2Header } from "./qcow2-header.ts";
import { checkImage, type DiskContext } from "./qemu-img.ts";

/** Reading a chain's headers. */
const INFO_MS = 60_000;
/** Nobody stacks that many; QEMU itself gets slow well before. */
const MAX_FILES = 1000;
/** A file's name and nothing else: no folder, no protocol (`nbd:…`, `json:…`), no hidden file. */
const PLAIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/;

/** One file of a chain. */
export interface ChainFile {
  /** Name in the chain's folder. */
  readonly name: string;
  /** Bytes the guest sees. */
  readonly virtualBytes: number;
}

const infos = z.array(z.object({ filename: z.string(), format: z.string() }));

/**
 * Follows a chain of qcow2 files that all are in one folder, and has qemu-img check every one. The headers are read here
 * first, so that qemu-img never opens a file that a header made up.
 *
 * @param top name of the topmost file.
 * @returns the chain, lowest first.
 * @throws {KvciError} `build-invalid` for a file that is missing, no qcow2, or names anything but a qcow2 beside it;
 *   `program-failed` with what qemu-img found wrong.
 */
export async function checkChain(folder: string, top: string, context: DiskContext): Promise<readonly ChainFile[]> {
  const files = await followChain(folder, top);
  for (const { name } of files) await checkImage(join(folder, name), context);
  await compareWithQemu(folder, files, context);
  return files;
}

async function followChain(folder: string, top: string): Promise<ChainFile[]> {
  const files: ChainFile[] = [];
  for (let name: string | undefined = top; name !== undefined;) {
    const path = join(folder, name);
    const known = files.some((file) => file.name === name);
    if (known || files.length === MAX_FILES) throw wrong(path, "leads back to itself or never ends");
    const header = await readHeader(path);
    files.unshift({ name, virtualBytes: header.virtualBytes });
    name = below(path, header);
  }
  return files;
}

function below(path: string, { backingFile, backingFormat, externalData }: Qcow2Header): string | undefined {
  if (externalData) throw wrong(path, "keeps its data in another file");
  if (backingFile === undefined) return undefined;
  if (!PLAIN_NAME.test(backingFile)) {
    throw wrong(path, `names ${JSON.stringify(backingFile)} as the file below, which is no file beside it`);
  }
  if (backingFormat !== "qcow2") throw wrong(path, `says the file below is ${backingFormat ?? "of any format"}`);
  return backingFile;
}

async function readHeader(path: string): Promise<Qcow2Header> {
  const head = Buffer.alloc(QCOW2_HEAD_BYTES);
  const handle = await open(path, "r").catch((error: unknown) => {
    throw wrong(path, errnoOf(error) === "ENOENT" ? "is missing" : "cannot be read", error);
  });
  const { bytesRead } = await withDisposal(handle, () => handle.read(head, 0, head.length, 0));
  const header = qcow2Header(head.subarray(0, bytesRead));
  if (!header) throw wrong(path, "is no qcow2");
  return header;
}

/** What QEMU would open must be what was followed here. */
async function compareWithQemu(folder: string, files: readonly ChainFile[], context: DiskContext): Promise<void> {
  const top = join(folder, files.at(-1)?.name ?? "");
  const argv = ["qemu-img", "info", "--output=json", "--backing-chain", "-f", "qcow2", top] as const;
  const text = await runProgram([...argv], { signal: context.signal, timeoutMs: INFO_MS });
  const seen = infos.safeParse(JSON.parse(text)).data?.map(({ filename, format }) => `${format} ${filename}`) ?? [];
  const expected = files.toReversed().map(({ name }) => `qcow2 ${join(folder, name)}`);
  if (seen.join("\n") === expected.join("\n")) return;
  throw new KvciError("build-invalid", `QEMU sees another chain below ${top} than its headers say`, {
    hint: "Use this image only if you trust its maker; a newer QEMU may agree with the headers.",
    evidence: seen,
  });
}

function wrong(path: string, what: string, cause?: unknown): KvciError {
  return new KvciError("build-invalid", `${path} ${what}`, {
    hint: "A layered disk's files stand beside each other in /disk; copy the image again, or build it again.",
    cause,
  });
}
