import { join } from "node:path";
import type { BuiltDisk } from "../core/builder.ts";
import type { DiskImage } from "../core/disk-image.ts";
import { spdxDocument } from "../sbom/spdx.ts";
import { writeFileAtomic } from "../store/atomic.ts";
import { writing } from "../core/file-system-error.ts";
import type { BuildJob } from "./build-job.ts";
import type { BuildRecord } from "./build-record.ts";

export interface ListedBuild {
  readonly built: BuiltDisk;
  readonly disk: DiskImage;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly toolVersion: string;
}

/** Writes `packages.json` and `sbom.spdx.json`: what is installed in the disk. */
export async function writePackageLists(
  { plan, folder }: BuildJob,
  { built, disk, created, toolVersion }: ListedBuild,
): Promise<Pick<BuildRecord, "packages" | "sbom">> {
  const { distribution, release, arch } = plan.disk.platform;
  const { packages } = built;
  const list = { schema: "kvci-build/packages", version: 1, distribution, release, arch, packages };
  const name = `${plan.template}-${arch}`;
  const sbom = spdxDocument({ name, digest: disk.digest, created, packages, distribution, release, toolVersion });
  await writing(folder, async () => {
    await writeFileAtomic(join(folder, "packages.json"), `${JSON.stringify(list, null, 2)}\n`);
    await writeFileAtomic(join(folder, "sbom.spdx.json"), `${JSON.stringify(sbom, null, 2)}\n`);
  });
  return { packages: { file: "packages.json", count: packages.length }, sbom: { file: "sbom.spdx.json" } };
}
