import { join } from "node:path";
import { qemuPlace } from "../../verify/qemu-place.ts";
import { placeNamed } from "../../verify/place.ts";
import { recordVerification } from "../../verify/record.ts";
import { verifyDisk } from "../../verify/verify.ts";
import type { VerificationResult } from "../core/finding.ts";
import type { Plan } from "../core/plan.ts";
import type { Journal } from "../core/journal.ts";
import { readBuildRecord } from "../pipeline/build-record.ts";
import { hostHypervisor } from "./hypervisor.ts";
import type { Session } from "./session.ts";

/** Verifies the disk of a finished build and records the result beside it, bound to the digest that was tested. */
export async function verifyBuild(
  { folder, suite, on }: { readonly folder: string; readonly suite: string; readonly on: string },
  { app, store, signal }: Session,
  journal: Journal,
): Promise<VerificationResult> {
  const { disk, images, machine, platform, traces } = await readBuildRecord(folder);
  const place = placeNamed(
    [
      qemuPlace({
        hypervisor: hostHypervisor(app.search),
        temporaryFolder: (prefix) => store.temporaryFolder(prefix),
        serialLog: (clone) => join(folder, `verification-${clone}.serial.log`),
      }),
    ],
    on,
  );
  const subject = {
    ...machine,
    path: join(folder, disk.file),
    digest: disk.digest,
    arch: platform.arch,
    virtualBytes: disk.virtualBytes,
    images,
    buildKey: traces.publicKey,
    buildMachineId: traces.machineId,
  };
  const result = await verifyDisk({ disk: subject, suite, place, journal, signal, now: app.now });
  await recordVerification(folder, result);
  return result;
}

/** Every suite the template asks for; the first one that fails is the result. */
export async function verifyAll(
  folder: string,
  plan: Plan,
  { session, journal }: { readonly session: Session; readonly journal: Journal },
): Promise<VerificationResult | undefined> {
  let last: VerificationResult | undefined;
  for (const suite of plan.checks) {
    last = await verifyBuild({ folder, suite, on: "qemu" }, session, journal);
    if (!last.ok) return last;
  }
  return last;
}
