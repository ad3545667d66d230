import type { Readable } from "node:stream";

export interface ExecOptions {
  /** Sent to the command's standard input, then end of file. Default: empty. */
  readonly stdin?: string | Readable;
  /** Milliseconds until SIGTERM; SIGKILL and the loss of the channel follow 5 s later. */
  readonly timeoutMs?: number;
  /** Receives every chunk as UTF-8 text, in arrival order. */
  readonly onOutput?: (stream: "stdout" | "stderr", text: string) => void;
  readonly signal?: AbortSignal;
}

export interface ExecResult {
  /** 0..255; 128 + n for a command that died of signal n. */
  readonly exitCode: number;
  /** Last 64 KiB. */
  readonly stdout: string;
  readonly stderr: string;
}

/** A thing commands run on, as root. */
export interface Machine {
  /**
   * Runs `argv` and waits for it to exit. No shell re-splits it.
   *
   * @returns exit code and the last 64 KiB of each stream. A non-zero exit is a result, not an error.
   * @throws {KvciError} `machine-lost` if the connection drops, `command-timeout` past the deadline, `interrupted` on abort.
   */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
}

/** A booted machine of our own: it can be restarted, and is gone after disposal even when a step throws. */
export interface Guest extends Machine, AsyncDisposable {
  /** Restarts and waits until a command answers. @throws {KvciError} `guest-not-ready`, `guest-died` */
  reboot(options: { readonly timeoutMs: number }): Promise<void>;
  /** Shuts down by the ladder: the guest's own poweroff, ACPI, then QEMU's quit after a sync. */
  shutdown(options: { readonly timeoutMs: number }): Promise<void>;
}
