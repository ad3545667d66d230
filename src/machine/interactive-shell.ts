import type { RemoteShell, TerminalSize } from "./remote-shell.ts";

/** The terminal that a person sits at; `process.stdin` and `process.stderr` are one when they are terminals. */
export interface LocalTerminal {
  readonly input: LocalInput;
  readonly output: NodeJS.WritableStream & { readonly columns?: number; readonly rows?: number };
  /** TERM of the environment. */
  readonly type: string | undefined;
}

export interface LocalInput extends NodeJS.ReadableStream {
  setRawMode?(raw: boolean): unknown;
}

/** Opens a shell in the guest; see `connect` of ssh2-machine.ts. */
export interface ShellOpener {
  openShell(terminal: TerminalSize & { readonly type: string }): Promise<RemoteShell>;
}

/** How a session ended: the shell's exit status, or the key that leaves it. */
export type SessionEnd = { readonly status: number } | { readonly left: true };

/** Ctrl-], as virsh and telnet have it: leaves a session whose guest does not answer any more. */
const LEAVE = 0x1d;
/** Back from an alternate screen, cursor shown, colours and mouse reports off: what a program that was cut off leaves. */
const TERMINAL_RESET = "\u001B[?1049l\u001B[?25h\u001B[0m\u001B[?1000l\u001B[?2004l";

/**
 * Connects a person's terminal with a shell in the guest until the shell ends, Ctrl-] is pressed or `signal` is aborted. The
 * terminal is as it was afterwards, however that comes.
 *
 * @throws {KvciError} `machine-lost` when no shell opens; the signal's reason
 */
export async function interactiveShell(
  guest: ShellOpener,
  { input, output, type = "xterm" }: LocalTerminal,
  signal: AbortSignal,
): Promise<SessionEnd> {
  signal.throwIfAborted();
  // A terminal may not know its size, and say 0.
  const size = (): TerminalSize => ({ columns: output.columns || 80, rows: output.rows || 24 });
  const shell = await guest.openShell({ type, ...size() });
  const other = Promise.withResolvers<{ readonly left: true }>();
  const listeners = {
    typed: (chunk: Buffer | string): void => {
      const bytes = Buffer.from(chunk as string);
      if (bytes.includes(LEAVE)) other.resolve({ left: true });
      else shell.screen.write(bytes);
    },
    ended: (): void => void shell.screen.end(),
    shown: (chunk: Buffer): void => void output.write(chunk),
    resized: (): void => {
      shell.resize(size());
    },
    aborted: (): void => {
      other.reject(signal.reason);
    },
  };
  const detach = attach(shell, { input, output, signal }, listeners);
  let clean = false;
  try {
    const end = await Promise.race([shell.exit.then((status) => ({ status })), other.promise]);
    clean = "status" in end && end.status !== LOST;
    return end;
  } finally {
    detach();
    shell.close();
    if (!clean) output.write(TERMINAL_RESET);
  }
}

/** Exit status of a shell that ended without telling one. */
const LOST = 255;

interface Listeners {
  readonly typed: (chunk: Buffer | string) => void;
  readonly ended: () => void;
  readonly shown: (chunk: Buffer) => void;
  readonly resized: () => void;
  readonly aborted: () => void;
}

/** Hands on what happens at either end. @returns what takes it all back */
function attach(
  shell: RemoteShell,
  { input, output, signal }: Pick<LocalTerminal, "input" | "output"> & { readonly signal: AbortSignal },
  { typed, ended, shown, resized, aborted }: Listeners,
): () => void {
  input.setRawMode?.(true);
  input.on("data", typed);
  input.on("end", ended);
  shell.screen.on("data", shown);
  output.on("resize", resized);
  signal.addEventListener("abort", aborted, { once: true });
  input.resume();
  return () => {
    input.off("data", typed);
    input.off("end", ended);
    shell.screen.off("data", shown);
    output.off("resize", resized);
    signal.removeEventListener("abort", aborted);
    input.pause();
    input.setRawMode?.(false);
  };
}
