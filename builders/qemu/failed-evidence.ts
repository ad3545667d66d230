import { open, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { withDisposal } from "../../src/core/disposal.ts";
import { messageOf } from "../../src/core/error.ts";
import type { Journal } from "../../src/core/journal.ts";
import type { VirtualMachine } from "../../src/qemu/boot-request.ts";
import { takeScreenshot } from "../../src/qemu/screenshot.ts";

/** A guest boots in some 100 KB of console; what is more than this comes from something that runs wild, and its end tells. */
const MAX_CONSOLE_BYTES = 4 * 1024 ** 2;

/** Escape sequences of terminals (CSI, OSC, charsets, single ones), then what is left of control characters. */
const SEQUENCES = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[()][A-Z0-9]|[=>c78DEHM])/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** What failed, as far as its evidence needs it. */
export interface FailedPart {
  /** Name of the step, or `boot`; fit for a file name. */
  readonly step: string;
  readonly vm: Pick<VirtualMachine, "qmp" | "ended">;
  /** The build's console log; evidence is put beside it. */
  readonly serialLog: string;
  /** Byte of it where the step began. */
  readonly consoleFrom: number;
  readonly journal: Journal;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
}

/** Absolute paths of what could be had. */
export interface Evidence {
  readonly console?: string;
  readonly screen?: string;
}

/**
 * Writes what tells about a failure into the folder of the build's logs: the console during that step as
 * `console-<step>.log`, and the screen. Whatever cannot be had is a warning: the step's own error is what counts.
 */
export async function collectEvidence(part: FailedPart): Promise<Evidence> {
  const folder = dirname(part.serialLog);
  const warn = (subject: string, detail: string): void => {
    part.journal.emit({ type: "warning", subject, detail });
  };
  const screen = await takeScreenshot(part.vm, folder);
  if ("none" in screen && !part.vm.ended) warn("screen", `no picture of it: ${screen.none}`);
  const path = join(folder, `console-${part.step}.log`);
  const console = await writeConsole(part, path).then(
    () => path,
    (error: unknown) => {
      warn("console", `not written to ${path}: ${messageOf(error)}`);
      return undefined;
    },
  );
  return { ...("path" in screen && { screen: screen.path }), ...(console !== undefined && { console }) };
}

async function writeConsole({ step, serialLog, consoleFrom, redact }: FailedPart, path: string): Promise<void> {
  const { text, from, to } = await consoleSlice(serialLog, consoleFrom);
  const cut = from > consoleFrom ? `; ${from - consoleFrom} bytes before that are left out` : "";
  const title = step === "boot" ? "the boot" : `step "${step}"`;
  const head = `# Serial console during ${title}: bytes ${from} to ${to} of ${basename(serialLog)}${cut}\n`;
  await writeFile(path, head + redact(text));
}

/** The end of a console log from byte `from` on, as lines of plain text; the last 4 MiB when it is longer. */
export async function consoleSlice(
  path: string,
  from: number,
): Promise<{ readonly text: string; readonly from: number; readonly to: number }> {
  return withDisposal(await open(path, "r"), async (file) => {
    const { size: to } = await file.stat();
    const start = Math.max(from, to - MAX_CONSOLE_BYTES);
    const buffer = Buffer.alloc(Math.max(0, to - start));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    return { text: plainText(buffer.toString("utf8", 0, bytesRead)), from: start, to };
  });
}

/** Console output without what moves cursors and sets colours. Lines end in a line feed alone. */
function plainText(text: string): string {
  return text.replace(/\r+\n/g, "\n").replace(SEQUENCES, "").replace(CONTROLS, "");
}
