import { setTimeout as delay } from "node:timers/promises";
import { KvciError, messageOf } from "../core/error.ts";
import type { Machine } from "../machine/machine.ts";
import { connect, type Connection } from "../machine/ssh2-machine.ts";
import { watchActivity } from "./activity.ts";
import type { VirtualMachine } from "./boot-request.ts";
import { consoleTail } from "./console-alarm.ts";
import { sshGreets } from "./ssh-banner.ts";

/** Who logs in, and whom we expect to meet. */
export interface Access {
  readonly username: string;
  readonly privateKey: string;
  /** `type base64`, as in known_hosts. */
  readonly hostKey: string;
}

export interface ReachOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** A guest that neither writes to its console nor uses its disk for that long has come to a stop; no limit unless told. */
  readonly stallMs?: number | undefined;
  /** Asked of the connected guest; false means it is not the one waited for (still going down, say). */
  readonly accept?: (machine: Machine) => Promise<boolean>;
}

const ASK_EVERY_MS = 100;
const GREETING_MS = 1_000;
/** Key exchange and log-in take half a second under TCG, several when the host is loaded. */
const LOGIN_MS = 30_000;

/**
 * Waits until the guest executes a command over SSH: no port, banner or unit state counts as ready.
 *
 * @throws {KvciError} `guest-not-ready` at the deadline with the last reason and the console's last lines; whatever
 *   `died` of the machine says, at once.
 */
export async function reach(vm: VirtualMachine, access: Access, options: ReachOptions): Promise<Connection> {
  const deadline = performance.now() + options.timeoutMs;
  const standsStillMs = watchActivity(vm);
  let reason = "no SSH server greeted";
  while (performance.now() < deadline) {
    options.signal.throwIfAborted();
    const attempt = tryOnce(vm, access, options);
    const result = await Promise.race([attempt, vm.died]);
    if (typeof result !== "string") return result;
    if (result !== "") reason = result;
    if ((await standsStillMs()) > (options.stallMs ?? Infinity)) {
      throw await notReady(vm, "the guest stands still", reason);
    }
    await Promise.race([delay(ASK_EVERY_MS, undefined, { signal: options.signal }).catch(() => undefined), vm.died]);
  }
  throw await notReady(vm, `the guest ran no command within ${String(options.timeoutMs / 1000)} s`, reason);
}

async function notReady(vm: VirtualMachine, what: string, reason: string): Promise<KvciError> {
  return new KvciError("guest-not-ready", `${what}: ${reason}`, {
    hint: `The whole console is in ${vm.serialLog}.`,
    evidence: await consoleTail(vm.serialLog, 15),
  });
}

/** A machine, or why not; "" when nothing new is known. */
async function tryOnce(vm: VirtualMachine, access: Access, options: ReachOptions): Promise<Connection | string> {
  if (!(await sshGreets(vm.sshPort, GREETING_MS))) return "";
  try {
    const address = { host: "127.0.0.1", port: vm.sshPort, ...access };
    const machine = await connect(address, { timeoutMs: LOGIN_MS, signal: options.signal });
    const refusal = await refusalOf(machine, options);
    if (refusal === undefined) return machine;
    await machine[Symbol.asyncDispose]();
    return refusal;
  } catch (error) {
    if (error instanceof KvciError && error.code === "interrupted") throw error;
    return messageOf(error);
  }
}

/** Why a connected guest is not ready; undefined when it is. */
async function refusalOf(
  machine: Machine,
  { accept = () => Promise.resolve(true) }: ReachOptions,
): Promise<string | undefined> {
  try {
    const { exitCode } = await machine.exec(["true"], { timeoutMs: LOGIN_MS });
    if (exitCode !== 0) return `\`true\` exited ${String(exitCode)}`;
    return (await accept(machine)) ? undefined : "the guest is not the one waited for";
  } catch (error) {
    return messageOf(error);
  }
}
