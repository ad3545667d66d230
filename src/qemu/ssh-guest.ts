import { disposedOnError } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import type { ExecOptions, ExecResult, Guest, Machine } from "../machine/machine.ts";
import type { Connection } from "../machine/ssh2-machine.ts";
import type { VirtualMachine } from "./boot-request.ts";
import { consoleTail } from "./console-alarm.ts";
import { reach, type Access } from "./reach.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** How a guest is reached, and how long that may take. */
export interface Way {
  readonly access: Access;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** See `ReachOptions`. */
  readonly stallMs?: number | undefined;
  /** Run with every connection, before anything else is: what is to live as long as that is opened here. */
  readonly connected?: ((connection: Connection) => Promise<void>) | undefined;
  /** False for a guest that is not freshly booted: `settle` then waits for its next boot. */
  readonly settleFirst?: boolean;
  /** Run after every boot before anything else, for example to wait until it has settled. */
  readonly settle?: ((machine: Machine) => Promise<void>) | undefined;
  /** Starts the machine anew once its QEMU has ended for a restart. Without it the guest restarts in the QEMU it has. */
  readonly restart?: (() => Promise<VirtualMachine>) | undefined;
}

/** A virtual machine that answers over SSH, with everything a builder does to a guest. */
export class SshGuest implements Guest {
  #vm: VirtualMachine;
  readonly #way: Way;
  #machine: Machine & AsyncDisposable;

  private constructor(vm: VirtualMachine, machine: Machine & AsyncDisposable, way: Way) {
    this.#vm = vm;
    this.#machine = machine;
    this.#way = way;
  }

  /** Waits until the machine answers. It belongs to the guest from here on. */
  static async await(vm: VirtualMachine, way: Way): Promise<SshGuest> {
    const guest = new SshGuest(vm, await withConnected(await reach(vm, way.access, way), way), way);
    if (way.settleFirst ?? true) await way.settle?.(guest);
    return guest;
  }

  /** The virtual machine; another one after a restart. */
  get vm(): VirtualMachine {
    return this.#vm;
  }

  /** The machine's death ends a command at once, with the death's cause rather than that of the broken connection. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    try {
      return await Promise.race([this.#machine.exec(argv, options), this.#vm.died]);
    } catch (error) {
      if (isLost(error) && (await this.#vm.waitForEnd(1_000))) await this.#vm.died;
      throw error;
    }
  }

  async reboot({ timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
    const { settle, restart } = this.#way;
    const before = await this.#bootId(this.#machine);
    if (restart) this.#vm.expectEnd();
    await this.#machine.exec(["systemctl", "reboot"], { timeoutMs: 30_000 }).catch(() => undefined);
    await this.#machine[Symbol.asyncDispose]();
    if (restart) await this.#startAnew(restart, timeoutMs);
    this.#machine = await withConnected(await this.#reachAnew(before, timeoutMs), this.#way);
    await settle?.(this);
  }

  /** Waits for another boot than `before`. A guest that comes to a stop on its way up is started once more. */
  async #reachAnew(before: string, timeoutMs: number): Promise<Connection> {
    const { access, signal, stallMs, restart } = this.#way;
    const accept = async (machine: Machine): Promise<boolean> => (await this.#bootId(machine)) !== before;
    const options = { timeoutMs, stallMs, signal, accept };
    try {
      return await reach(this.#vm, access, options);
    } catch (error) {
      if (!restart || !(error instanceof KvciError) || error.code !== "guest-not-ready") throw error;
      await this.#vm[Symbol.asyncDispose]();
      this.#vm = await restart();
      return reach(this.#vm, access, options);
    }
  }

  async #startAnew(restart: () => Promise<VirtualMachine>, timeoutMs: number): Promise<void> {
    const ended = await this.#vm.waitForEnd(timeoutMs);
    const { serialLog } = this.#vm;
    await this.#vm[Symbol.asyncDispose]();
    if (!ended) {
      throw new KvciError("guest-not-ready", `the guest did not go down within ${String(timeoutMs / 1000)} s`, {
        hint: `The whole console is in ${serialLog}.`,
        evidence: await consoleTail(serialLog, 15),
      });
    }
    this.#vm = await restart();
  }

  /**
   * The ladder: the guest's own poweroff; the power button (ACPI); sync and QEMU's quit. A guest that needed the last rung
   * is told by the check of the filesystem that follows.
   *
   * The first rung does not stop units one by one, which takes 7 seconds in an emulated guest: every process gets SIGTERM and the
   * time to end on it, then filesystems are unmounted. Nothing that a unit writes when it is stopped comes onto a sealed disk.
   */
  async shutdown({ timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
    this.#vm.expectEnd();
    await this.#machine.exec(["systemctl", "--force", "poweroff"], { timeoutMs: 30_000 }).catch(() => undefined);
    if (await this.#vm.waitForEnd(timeoutMs * 0.6)) return;
    await this.#vm.qmp("system_powerdown").catch(() => undefined);
    if (await this.#vm.waitForEnd(timeoutMs * 0.4)) return;
    await this.#machine.exec(["sync"], { timeoutMs: 30_000 }).catch(() => undefined);
    await this.#vm[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine[Symbol.asyncDispose]();
    await this.#vm[Symbol.asyncDispose]();
  }

  async #bootId(machine: Machine): Promise<string> {
    return (await machine.exec(["cat", BOOT_ID], { timeoutMs: 30_000 })).stdout.trim();
  }
}

async function withConnected(connection: Connection, { connected }: Way): Promise<Connection> {
  await disposedOnError(connection, async () => connected?.(connection));
  return connection;
}

function isLost(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "machine-lost";
}
