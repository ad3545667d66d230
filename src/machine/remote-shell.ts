import type { Duplex } from "node:stream";

/** A terminal as the programs in it see it. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The channel of a shell that has a terminal in the guest. */
interface TerminalChannel extends Duplex {
  setWindow(rows: number, columns: number, heightPixels: number, widthPixels: number): unknown;
}

/** A shell in the guest, with a terminal of its own there. */
export interface RemoteShell {
  /** What is written here is typed there; what is read is what the terminal shows. */
  readonly screen: Duplex;
  resize(size: TerminalSize): void;
  /** Its exit status; 255 when the guest did not tell one. */
  readonly exit: Promise<number>;
  /** Hangs up. */
  close(): void;
}

/** A channel as a shell. It listens from the start: a shell that ends at once does not get by. */
export function remoteShell(
  channel: TerminalChannel,
  statusOf: (code: number | null, signal?: string) => number,
): RemoteShell {
  const end = Promise.withResolvers<number>();
  let status = 255;
  channel.on("exit", (code: number | null, signal?: string) => {
    status = statusOf(code, signal);
  });
  channel.once("close", () => {
    end.resolve(status);
  });
  // A channel that breaks closes as well.
  channel.on("error", () => undefined);
  return {
    screen: channel,
    exit: end.promise,
    resize: ({ columns, rows }) => {
      channel.setWindow(rows, columns, 0, 0);
    },
    close: () => {
      channel.destroy();
      end.resolve(status);
    },
  };
}
