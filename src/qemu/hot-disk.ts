import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../core/error.ts";
import type { VirtualMachine } from "./boot-request.ts";

/** The bus of the SCSI controller that every machine has, for disks that come and go; see `qemuArguments`. */
export const HOT_DISK_BUS = "hot";
/** Letting go of a disk takes milliseconds; a guest that is busy may take longer. */
const DETACH_MS = 30_000;
const ASK_EVERY_MS = 100;

export interface HotDisk {
  /** Raw file. It is not written to. */
  readonly path: string;
  /** What the guest sees as the disk's serial number; unique among the machine's disks, 36 characters at most. */
  readonly serial: string;
}

/**
 * Gives a running machine a read-only disk. Disposal takes it away again; what the guest has open of it then fails.
 *
 * @throws {KvciError} `guest-died` with QEMU's words
 */
export async function attachDisk(vm: VirtualMachine, { path, serial }: HotDisk): Promise<AsyncDisposable> {
  const node = `disk-${serial}`;
  const file = { driver: "file", filename: path, "read-only": true };
  await vm.qmp("blockdev-add", { driver: "raw", "node-name": node, "read-only": true, file });
  const id = `hot-${serial}`;
  try {
    await vm.qmp("device_add", { driver: "scsi-hd", bus: `${HOT_DISK_BUS}.0`, drive: node, serial, id });
  } catch (error) {
    await vm.qmp("blockdev-del", { "node-name": node });
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      if (vm.ended) return;
      await vm.qmp("device_del", { id });
      await removeNode(vm, node);
    },
  };
}

/** A device lets go of its node some time after it was told to. */
async function removeNode(vm: VirtualMachine, node: string): Promise<void> {
  const deadline = performance.now() + DETACH_MS;
  for (;;) {
    try {
      await vm.qmp("blockdev-del", { "node-name": node });
      return;
    } catch (error) {
      if (vm.ended) return;
      if (performance.now() > deadline || !/in use/i.test(messageOf(error))) throw error;
    }
    await delay(ASK_EVERY_MS);
  }
}
