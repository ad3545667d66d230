import { open, stat, type FileHandle } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { withDisposal } from "../core/disposal.ts";
import { lastLines } from "../host/last-lines.ts";

/** What on a serial console means that nothing good will come any more. */
const ALARMS: readonly { readonly pattern: RegExp; readonly meaning: string }[] = [
  { pattern: /Kernel panic - not syncing[^\r\n]*/, meaning: "the guest's kernel panicked" },
  { pattern: /You are in (?:emergency|rescue) mode/, meaning: "the guest fell into an emergency shell" },
  {
    pattern: /(?:Entering emergency mode|dracut-emergency|Generating "\/run\/initramfs\/rdsosreport)/,
    meaning: "the guest's initramfs fell into an emergency shell",
  },
  {
    pattern: /^\(initramfs\) *$|ALERT! +\S+ does not exist\. +Dropping to a shell!/m,
    meaning: "the guest's initramfs did not find its root",
  },
  {
    pattern:
      /BdsDxe: No bootable option or device was found|No bootable device\.|error: no such device: [^\r\n]*\s+grub rescue>/,
    meaning: "the firmware found nothing to boot",
  },
];

/** How often the log is looked at; the console is a file that QEMU writes, so there is nothing to wait on. */
const LOOK_EVERY_MS = 200;
const PIECE_BYTES = 64 * 1024;

interface Alarm {
  readonly meaning: string;
  readonly line: string;
}

interface WatchOptions {
  readonly signal: AbortSignal;
  readonly fromByte: number;
}

/** What `text` of a console says about the guest's end, if anything. */
export function alarmIn(text: string): Alarm | undefined {
  for (const { pattern, meaning } of ALARMS) {
    const match = pattern.exec(text);
    if (match) return { meaning, line: match[0].trim() };
  }
  return undefined;
}

/**
 * Reads a growing console log until an alarm shows, and resolves with it; resolves undefined when aborted.
 * @param options.fromByte where this machine's console starts in a log that holds earlier boots.
 */
export async function watchConsole(path: string, options: WatchOptions): Promise<Alarm | undefined> {
  return withDisposal(await open(path, "r"), (file) => watchFile(file, options));
}

async function watchFile(file: FileHandle, options: WatchOptions): Promise<Alarm | undefined> {
  const buffer = Buffer.alloc(PIECE_BYTES);
  let offset = options.fromByte;
  let tail = "";
  while (!options.signal.aborted) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) {
      await delay(LOOK_EVERY_MS, undefined, { signal: options.signal }).catch(() => undefined);
      continue;
    }
    offset += bytesRead;
    // Overlap, so that a pattern over the edge of two pieces is seen.
    tail = `${tail}${buffer.toString("utf8", 0, bytesRead)}`.slice(-2 * PIECE_BYTES);
    const alarm = alarmIn(tail);
    if (alarm) return alarm;
  }
  return undefined;
}

/** The last lines of a console log, without terminal control sequences; none when there is no log. */
export async function consoleTail(path: string, count: number): Promise<string[]> {
  try {
    const text = await withDisposal(await open(path, "r"), readTail);
    return lastLines(
      text.replace(/\u001b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|c)|[\u0000-\u0008\u000b-\u001f]/g, ""),
      count,
    );
  } catch {
    return [];
  }
}

async function readTail(file: FileHandle): Promise<string> {
  const { size } = await file.stat();
  const buffer = Buffer.alloc(Math.min(size, PIECE_BYTES));
  await file.read(buffer, 0, buffer.length, size - buffer.length);
  return buffer.toString("utf8");
}

/** How long a console log is, in bytes; 0 when there is none. */
export async function consoleBytes(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
