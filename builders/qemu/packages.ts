import type { InstalledPackage } from "../../src/core/builder.ts";
import { KvciError } from "../../src/core/error.ts";
import type { OsFamily } from "../../src/core/platform.ts";
import { lastLines } from "../../src/host/last-lines.ts";
import type { Machine } from "../../src/machine/machine.ts";

const QUERIES: Readonly<Record<OsFamily, readonly string[]>> = {
  // Packages that are removed but still have configuration files are listed too; their status tells them apart.
  apt: [
    "dpkg-query",
    "-W",
    "-f",
    "${db:Status-Status}\\t${Package}\\t${Version}\\t${Architecture}\\t${Installed-Size}\\n",
  ],
  dnf: ["rpm", "-qa", "--qf", "installed\\t%{NAME}\\t%{EVR}\\t%{ARCH}\\t%{SIZE}\\n"],
};

const QUERY_MS = 120_000;

/** The packages installed in the guest, sorted by name. A thousand lines are some 50 KiB. */
export async function installedPackages(machine: Machine, family: OsFamily): Promise<InstalledPackage[]> {
  let output = "";
  const result = await machine.exec(QUERIES[family], {
    timeoutMs: QUERY_MS,
    onOutput: (stream, text) => {
      if (stream === "stdout") output += text;
    },
  });
  if (result.exitCode === 0) return parsePackages(output, family);
  throw new KvciError(
    "command-failed",
    `the guest's package list could not be read: status ${String(result.exitCode)}`,
    {
      hint: "The package database in the guest may be damaged.",
      evidence: lastLines(result.stderr, 10),
    },
  );
}

/** dpkg counts installed sizes in KiB, rpm in bytes. */
const SIZE_UNIT: Readonly<Record<OsFamily, number>> = { apt: 1024, dnf: 1 };

export function parsePackages(output: string, family: OsFamily): InstalledPackage[] {
  return output
    .split("\n")
    .map((line) => line.split("\t"))
    .flatMap(([status, name, version, arch, size = ""]) =>
      status === "installed" && name && version && arch
        ? [{ name, version, arch, ...installedSize(size, SIZE_UNIT[family]) }]
        : [],
    )
    .sort((a, b) => compare(a.name, b.name) || compare(a.arch, b.arch) || compare(a.version, b.version));
}

/** Packages without files need not say a size. */
function installedSize(size: string, unit: number): Pick<InstalledPackage, "installedBytes"> {
  return /^\d+$/.test(size) ? { installedBytes: Number(size) * unit } : {};
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
