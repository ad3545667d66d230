import type { KvciError } from "../core/error.ts";
import { displayLine, wrapText } from "../journal/text-width.ts";
import { streamPaint } from "../journal/paint.ts";
import { interactiveShell, type LocalTerminal, type SessionEnd } from "../machine/interactive-shell.ts";
import { connect } from "../machine/ssh2-machine.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Access } from "../qemu/reach.ts";
import type { App } from "./app.ts";

/** Log-in takes half a second without KVM, several on a loaded host. */
const LOGIN_MS = 60_000;

export interface GuestSession {
  readonly sshPort: number;
  readonly access: Access;
  /** Lines that say where one is. */
  readonly welcome: readonly string[];
  readonly output: LocalTerminal["output"];
}

/**
 * Opens a shell in a running guest on this terminal. The caller has the screen to itself.
 *
 * @throws {KvciError} `machine-lost` when the guest does not answer, `interrupted`
 */
export async function guestSession(app: App, session: GuestSession): Promise<SessionEnd> {
  const { sshPort, access, welcome, output } = session;
  const address = { host: "127.0.0.1", port: sshPort, ...access };
  const connection = await connect(address, { timeoutMs: LOGIN_MS, signal: app.signal });
  return withDisposal(connection, async () => {
    const paint = streamPaint(output);
    const width = Math.min(output.columns || 80, 120) - 1;
    const lines = welcome.flatMap((line) => wrapText(displayLine(line), width)).map((line) => paint("cyan", line));
    output.write(["", ...lines, "", ""].join("\n"));
    const end = await interactiveShell(connection, { input: app.stdin, output, type: app.env["TERM"] }, app.signal);
    output.write("\n");
    return end;
  });
}

/** How to leave, for every welcome. */
export const LEAVING = "Leave with exit or Ctrl-D; with Ctrl-] when the guest does not answer any more.";

/** One line of an error for a welcome. */
export function headline({ message }: Pick<KvciError, "message">): string {
  return message.split("\n")[0] ?? "";
}
