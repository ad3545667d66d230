import { KvciError } from "../../src/core/error.ts";
import { lastLines } from "../../src/host/last-lines.ts";
import type { Machine } from "../../src/machine/machine.ts";

const GROW_MS = 120_000;

/**
 * Grows the root partition and its filesystem to the template's disk: cloud-init does that for distributions' images, but
 * bases of ours boot without it while they are built. growpart exits 1 when there is nothing to grow.
 */
export async function growRoot(machine: Machine, partition: number, signal: AbortSignal): Promise<void> {
  const script = `
device=$(findmnt -n -o SOURCE /)
disk=/dev/$(lsblk -n -o PKNAME "$device" | head -n 1)
growpart "$disk" ${String(partition)} || [ $? -eq 1 ]
resize2fs "$device"`;
  const result = await machine.exec(["sh", "-ec", script], { timeoutMs: GROW_MS, signal });
  if (result.exitCode === 0) return;
  throw new KvciError("command-failed", `growing the root filesystem exited ${String(result.exitCode)}`, {
    hint: "Is the template's disk.sizeGiB larger than its base?",
    evidence: lastLines(`${result.stdout}\n${result.stderr}`, 10),
  });
}
