import { statfs } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { ARCHES, type Arch } from "../../core/platform.ts";
import { firmware } from "../../host/find-program.ts";
import { diagnose, unfitPrograms, type Diagnosis } from "../../host/doctor.ts";
import { readOsRelease } from "../../host/distribution.ts";
import { programOutput } from "../../host/program-output.ts";
import { renderDoctor } from "../../host/render-doctor.ts";
import { chooseAccelerator } from "../../qemu/accelerator.ts";
import type { App } from "../app.ts";
import type { DoctorFlags } from "../flags.ts";
import { hostQemu } from "../hypervisor.ts";
import { ensure } from "../need-programs.ts";
import { preferredArch } from "../preferred-arch.ts";
import { withSession } from "../session.ts";

const VERSION_MS = 30_000;
/** What the quickstart's guest has. */
const PROBED_GUEST = { cpus: 2, memoryMiB: 2048 };

/** `kvci-build doctor`: shows what of the host is needed and there. Exits 4 when something that a verb needs is missing. */
export async function doctor(app: App, flags: DoctorFlags): Promise<number> {
  const arch = flags.arch ?? preferredArch(ARCHES, process.arch);
  if (flags.fix) {
    const unfit = unfitPrograms(await diagnosis(app, arch)).map(({ program }) => program);
    await withSession(app, { command: "doctor --fix", json: flags.json ?? false }, (session) => ensure(session, unfit));
  }
  const found = await diagnosis(app, arch);
  app.stdout.write(flags.json ? `${JSON.stringify(found, null, 2)}\n` : renderDoctor(found));
  return unfitPrograms(found).length === 0 ? 0 : 4;
}

function diagnosis(app: App, arch: Arch): Promise<Diagnosis> {
  return diagnose({
    ...app.search,
    arch: preferredArch(ARCHES, process.arch),
    guestArches: [arch],
    cpus: cpus().length,
    memoryBytes: totalmem(),
    nodeVersion: process.versions.node,
    osRelease: readOsRelease(),
    store: { path: app.storeRoot, freeBytes: () => freeBytes(app.storeRoot) },
    output: (argv) => programOutput(argv, { signal: app.signal, timeoutMs: VERSION_MS }),
    probe: async () => {
      const request = {
        arch,
        ...PROBED_GUEST,
        firmwareCode: arch === "arm64" ? (await firmware(arch))?.code : undefined,
      };
      const { name, reason } = await chooseAccelerator(await hostQemu(arch, app.search), request, app.signal);
      return { accelerator: name, reason };
    },
  });
}

/** Of the file system that holds, or would hold, the folder. */
async function freeBytes(folder: string): Promise<number> {
  const found = await statfs(folder).catch(() => undefined);
  if (found) return found.bavail * found.bsize;
  return folder === dirname(folder) ? 0 : freeBytes(dirname(folder));
}
