import type { Digest } from "../core/digest.ts";
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
  /**
   * What becomes of a guest that restarts: `reset` lets firmware start again in the same QEMU; `end` ends QEMU, for a caller
   * that starts the machine anew. Default: `reset`. An emulated machine hangs in its firmware or boot loader after a reset in
   * about every tenth case (seen with QEMU 7.2 and OVMF), a new QEMU does not.
   */
  readonly onRestart?: "reset" | "end" | undefined;
  /**
   * What the guest reaches: everything that the host does, or, `isolated`, nothing at all; its port 22 is reached either way. A
   * matter of the host's side: memory of a guest goes on under either. Default: `direct`.
   */
  readonly network?: "direct" | "isolated" | undefined;
  /** Memory of a machine of the same arguments, as `saveMemory` wrote it: it goes on from there instead of booting. */
  readonly memory?: string | undefined;
  /** Firmware variables to start from; else those that the host's firmware comes with. */
  readonly firmwareVars?: string | undefined;
  /** Folder for the machine's small files; must outlive it. */
  readonly workDir: string;
  /** File the serial console is appended to. */
  readonly serialLog: string;
  readonly signal: AbortSignal;
}

/** What of a request shapes the machine, as against its files. */
export type MachineShape = Pick<BootRequest, "arch" | "memoryMiB" | "cpus" | "firmware" | "directBoot"> & {
  readonly seeded: boolean;
};

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
  /** True when it ended because the guest restarted (`onRestart: "end"`). */
  readonly restarted: boolean;
  /** Waits for QEMU's end after the guest was told to power off. Resolves false past the deadline. */
  waitForEnd(timeoutMs: number): Promise<boolean>;
  /** Says that the end of QEMU is now wanted, so that it is no death. */
  expectEnd(): void;
}

/** Name of the block node that a machine's disk starts with, for QMP. */
export const DISK_NODE = "layer-0";

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

/** The hypervisor of this host, which can also tell whose memory may be given to whom. */
export interface HostHypervisor extends Hypervisor {
  /**
   * Everything that memory saved by a machine depends on: QEMU's version, the arguments, the accelerator and the host's CPU.
   * Memory of one machine may be given to another only when these are equal.
   */
  fingerprint(shape: MachineShape, signal: AbortSignal): Promise<Digest>;
}
