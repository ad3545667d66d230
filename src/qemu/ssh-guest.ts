import type { ExecOptions, ExecResult, Guest, Machine } from "../machine/machine.ts";
import type { VirtualMachine } from "./boot-request.ts";
import { reach, type Access } from "./reach.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** A virtual machine that answers over SSH, with everything a builder does to a guest. */
export class SshGuest implements Guest {
  readonly #vm: VirtualMachine;
  readonly #access: Access;
  readonly #signal: AbortSignal;
  #machine: Machine & AsyncDisposable;

  private constructor(vm: VirtualMachine, access: Access, machine: Machine & AsyncDisposable, signal: AbortSignal) {
    this.#vm = vm;
    this.#access = access;
    this.#machine = machine;
    this.#signal = signal;
  }

  /** Waits until the machine answers. It belongs to the guest from here on. */
  static async await(vm: VirtualMachine, access: Access, options: { timeoutMs: number; signal: AbortSignal }): Promise<SshGuest> {
    return new SshGuest(vm, access, await reach(vm, access, options), options.signal);
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
    this.#machine = await reach(this.#vm, this.#access, { timeoutMs, signal: this.#signal, accept });
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

  async #bootId(machine: Machine): Promise<string> {
    return (await machine.exec(["cat", BOOT_ID], { timeoutMs: 30_000 })).stdout.trim();
  }
}

function isLost(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "machine-lost";
}
