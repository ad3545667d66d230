import { readFileSync } from "node:fs";

export type PackageManager = "apt" | "dnf";

/** os-release's words for the families whose packages the table of host programs knows. */
const MANAGERS: Readonly<Record<string, PackageManager>> = {
  debian: "apt",
  ubuntu: "apt",
  fedora: "dnf",
  rhel: "dnf",
  centos: "dnf",
};

/** The package manager of a host with that os-release: by `ID`, then by `ID_LIKE`; undefined for other families. */
export function packageManagerOf(osRelease: string): PackageManager | undefined {
  const names = [field(osRelease, "ID"), ...field(osRelease, "ID_LIKE").split(/\s+/)];
  const known = names.find((name) => Object.hasOwn(MANAGERS, name));
  return known === undefined ? undefined : MANAGERS[known];
}

/** Whether the host is Debian itself, so that a package of Debian's development release is signed by a key it has. */
export function isDebian(osRelease: string): boolean {
  return field(osRelease, "ID") === "debian";
}

/** This host's os-release; empty where there is none. */
export function readOsRelease(): string {
  for (const path of ["/etc/os-release", "/usr/lib/os-release"]) {
    try {
      return readFileSync(path, "utf8");
    } catch {
      // The next place, or none: a host that does not say what it is gets hints without a command.
    }
  }
  return "";
}

function field(osRelease: string, key: string): string {
  return new RegExp(`^${key}=["']?([^"'\\n]*)`, "m").exec(osRelease)?.[1] ?? "";
}
