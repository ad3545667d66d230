import { join } from "node:path";
import { qemuPlace } from "../../verify/qemu-place.ts";
import { placeNamed, type Place } from "../../verify/place.ts";
import { recordVerification } from "../../verify/record.ts";
import { verifyDisk } from "../../verify/verify.ts";
import type { VerificationResult } from "../core/finding.ts";
import type { Plan } from "../core/plan.ts";
import type { Journal } from "../core/journal.ts";
import { readBuildRecord } from "../pipeline/build-record.ts";
import { hostHypervisor } from "./hypervisor.ts";
import type { Session } from "./session.ts";

/** Verifies the disk of a finished build on this host and records the result beside it, bound to the digest that was tested. */
export async function verifyBuild(
  { folder, suite, on }: { readonly folder: string; readonly suite: string; readonly on: string },
  session: Session,
  journal: Journal,
): Promise<VerificationResult> {
  const { app, store } = session;
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
  const result = await verifyAt(place, { folder, suite, session, journal });
  await recordVerification(folder, result);
  return result;
}

/** Runs a suite on a build's disk, wherever that is. Records nothing. */
export async function verifyAt(
  place: Place,
  request: {
    readonly folder: string;
    readonly suite: string;
    readonly session: Pick<Session, "app" | "signal">;
    readonly journal: Journal;
  },
): Promise<VerificationResult> {
  const { folder, suite, session, journal } = request;
  const { disk, images, machine, platform, traces } = await readBuildRecord(folder);
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
  return verifyDisk({ disk: subject, suite, place, journal, signal: session.signal, now: session.app.now });
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
