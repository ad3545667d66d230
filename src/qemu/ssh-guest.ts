import type { ExecOptions, ExecResult, Guest, Machine } from "../machine/machine.ts";
import type { VirtualMachine } from "./boot-request.ts";
import { reach, type Access } from "./reach.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** How a guest is reached, and how long that may take. */
export interface Way {
  readonly access: Access;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** A command that ends once the guest's boot has settled, well or not; run after every boot. */
  readonly settled?: readonly string[] | undefined;
}

/** A virtual machine that answers over SSH, with everything a builder does to a guest. */
export class SshGuest implements Guest {
  readonly #vm: VirtualMachine;
  readonly #way: Way;
  #machine: Machine & AsyncDisposable;

  private constructor(vm: VirtualMachine, machine: Machine & AsyncDisposable, way: Way) {
    this.#vm = vm;
    this.#machine = machine;
    this.#way = way;
  }

  /** Waits until the machine answers. It belongs to the guest from here on. */
  static async await(vm: VirtualMachine, way: Way): Promise<SshGuest> {
    const guest = new SshGuest(vm, await reach(vm, way.access, way), way);
    await guest.#settle(way.timeoutMs);
    return guest;
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
    const before = await this.#bootId(this.#machine);
    await this.#machine.exec(["systemctl", "reboot"], { timeoutMs: 30_000 }).catch(() => undefined);
    await this.#machine[Symbol.asyncDispose]();
    const accept = async (machine: Machine): Promise<boolean> => (await this.#bootId(machine)) !== before;
    this.#machine = await reach(this.#vm, this.#way.access, { timeoutMs, signal: this.#way.signal, accept });
    await this.#settle(timeoutMs);
  }

  /**
   * The ladder: the guest's own poweroff; the power button (ACPI); sync and QEMU's quit. A guest that needed the last rung
   * is told by the check of the filesystem that follows.
   */
  async shutdown({ timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
    this.#vm.expectEnd();
    await this.#machine.exec(["systemctl", "poweroff"], { timeoutMs: 30_000 }).catch(() => undefined);
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

  async #settle(timeoutMs: number): Promise<void> {
    const { settled, signal } = this.#way;
    if (settled) await this.exec(settled, { timeoutMs, signal });
  }

  async #bootId(machine: Machine): Promise<string> {
    return (await machine.exec(["cat", BOOT_ID], { timeoutMs: 30_000 })).stdout.trim();
  }
}

function isLost(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "machine-lost";
}
