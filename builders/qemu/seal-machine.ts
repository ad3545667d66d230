import { randomUUID } from "node:crypto";
import type { BuiltDisk } from "../../src/core/builder.ts";
import { apply } from "../../src/machine/apply.ts";
import type { BuildContext } from "./build-context.ts";
import type { BuildMachine } from "./build-machine.ts";
import { installedPackages } from "./packages.ts";

const SHUTDOWN_MS = 3 * 60_000;
const READ_MS = 30_000;

/** What is known of a guest when it is gone. */
export type SealedGuest = Pick<BuiltDisk, "packages" | "accelerator" | "traces">;

/** Seals the guest's disk and powers it off; what is to be known of the guest is asked before. */
export async function sealMachine({ request, journal }: BuildContext, machine: BuildMachine): Promise<SealedGuest> {
  const { plan, signal, sources } = request;
  const { guest, identity, accelerator } = machine;
  const packages = await installedPackages(guest, plan.disk.platform.family);
  const machineId = await guest.exec(["cat", "/etc/machine-id"], { timeoutMs: READ_MS, signal });
  await journal.span({ name: "seal", kind: "phase" }, async (inner) => {
    await apply(guest, plan.disk.seal, { journal: inner, signal, sources, nonce: randomUUID });
    await guest.shutdown({ timeoutMs: SHUTDOWN_MS });
  });
  return { packages, accelerator, traces: { publicKey: identity.publicKey, machineId: machineId.stdout.trim() } };
}
