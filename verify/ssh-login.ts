import { setTimeout as sleep } from "node:timers/promises";
import { disposedOnError } from "../src/core/disposal.ts";
import { KvciError, messageOf } from "../src/core/error.ts";
import { connect, type Connection, type SshAddress } from "../src/machine/ssh2-machine.ts";
import { consoleTail } from "../src/qemu/console-alarm.ts";

/** Who gets at a cloud's machine by SSH: CIDR blocks, and the port where its sshd listens. */
export interface SshIngress {
  readonly from: readonly string[];
  readonly port: number;
}

export interface LoginWait {
  /** Milliseconds until the guest counts as not ready. */
  readonly timeoutMs: number;
  /** Milliseconds between two attempts. */
  readonly intervalMs: number;
  readonly serialLog: string;
  /** Rejects as soon as the guest is gone. */
  readonly died: Promise<never>;
  readonly signal: AbortSignal;
}

/** One attempt; a firewall that drops packets answers nothing for as long as one waits. */
const ATTEMPT_MS = 30_000;
/** Less is no attempt: it would only hide what the one before it found. */
const SHORTEST_MS = 1_000;

/**
 * Waits until the guest executes a command over SSH.
 *
 * @throws {KvciError} `guest-not-ready` at the deadline with the last reason and the console's last lines; `interrupted`; what
 *   `died` rejects with.
 */
export async function logIn(address: SshAddress, wait: LoginWait): Promise<Connection> {
  const end = performance.now() + wait.timeoutMs;
  let reason = "nothing answered";
  while (performance.now() < end) {
    const timeoutMs = Math.max(SHORTEST_MS, Math.min(ATTEMPT_MS, end - performance.now()));
    const attempt = tryOnce(address, { timeoutMs, signal: wait.signal });
    const result = await Promise.race([attempt, wait.died]);
    if (typeof result !== "string") return result;
    reason = result;
    await Promise.race([sleep(wait.intervalMs, undefined, { signal: wait.signal }).catch(() => undefined), wait.died]);
  }
  throw new KvciError(
    "guest-not-ready",
    `the guest ran no command within ${String(wait.timeoutMs / 1000)} s: ${reason}`,
    { hint: `The whole console is in ${wait.serialLog}.`, evidence: await consoleTail(wait.serialLog, 15) },
  );
}

/** A connection, or why there is none. */
async function tryOnce(
  address: SshAddress,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Connection | string> {
  try {
    return await disposedOnError(await connect(address, options), async (connection) => {
      const { exitCode } = await connection.exec(["true"], options);
      if (exitCode === 0) return connection;
      throw new KvciError("machine-lost", `\`true\` exited ${String(exitCode)}`, { hint: "See the console." });
    });
  } catch (error) {
    if (error instanceof KvciError && error.code === "interrupted") throw error;
    return messageOf(error);
  }
}
