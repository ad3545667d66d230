import type { DirectBoot } from "../core/disk-image.ts";
import type { Journal } from "../core/journal.ts";
import type { Arch } from "../core/platform.ts";

/** A virtual machine to boot. */
export interface BootRequest {
  readonly arch: Arch;
  /** Topmost qcow2 of the disk's chain; written to. */
  readonly disk: string;
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly firmware: "uefi" | "bios";
  /** Kernel and initrd to start without firmware and boot loader. */
  readonly directBoot?: DirectBoot | undefined;
  /** A NoCloud seed as a disc image. */
  readonly seed?: Uint8Array | undefined;
  /** Systemd system credentials by name, handed over through fw_cfg, never on a command line. */
  readonly credentials?: Readonly<Record<string, string>> | undefined;
  /** Folder for the machine's small files; must outlive it. */
  readonly workDir: string;
  /** File the serial console is appended to. */
  readonly serialLog: string;
  readonly signal: AbortSignal;
}

/** A running machine. It is gone after disposal, however that comes about. */
export interface VirtualMachine extends AsyncDisposable {
  readonly pid: number;
  /** TCP port on 127.0.0.1 that leads to the guest's port 22. */
  readonly sshPort: number;
  readonly serialLog: string;
  readonly accelerator: Accelerator;
  /** Rejects with `guest-died` when QEMU ends by itself, the kernel panics or an emergency shell shows on the console. */
  readonly died: Promise<never>;
  /** Sends a QMP command and returns its answer. */
  qmp(command: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** True once QEMU has ended. */
  readonly ended: boolean;
  /** Waits for QEMU's end after the guest was told to power off. Resolves false past the deadline. */
  waitForEnd(timeoutMs: number): Promise<boolean>;
  /** Says that the end of QEMU is now wanted, so that it is no death. */
  expectEnd(): void;
}

export interface Accelerator {
  readonly name: "kvm" | "tcg";
  /** Why this one: shown to the user and kept in build.json. */
  readonly reason: string;
}

/** Boots virtual machines. */
export interface Hypervisor {
  /** @throws {KvciError} `program-missing`, `guest-died` with QEMU's own words */
  boot(request: BootRequest, journal: Journal): Promise<VirtualMachine>;
}
