import type { LockedPackage } from "../core/lock.ts";

/** What the lock has for one installation, by name. */
export interface LockedPackages {
  readonly packages: Readonly<Record<string, LockedPackage>>;
  /** Of the base: not installed for this step, but what it may raise them to. */
  readonly base: Readonly<Record<string, LockedPackage>>;
}

/** Emulated guests (no KVM) unpack some 2 MB/s: half an hour lets a gigabyte through, the default of 15 minutes does not. */
export const INSTALL_TIMEOUT_MS = 30 * 60_000;

/** Where a guest finds what fetches for it: one line, a base URL. Not there when it goes to the outside by itself. */
export const RELAY_FILE = "/run/kvci-build/relay";

/** The shell's `relay`: empty without one. */
export const READ_RELAY = `relay=$(cat ${RELAY_FILE} 2>/dev/null || :)`;

/** All locked packages, each once, sorted by name. */
export function everyPackage({ packages, base }: LockedPackages): readonly (readonly [string, LockedPackage])[] {
  return Object.entries({ ...base, ...packages }).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Name of a package's file, as its repository has it. */
export function fileNameOf({ url }: LockedPackage): string {
  return decodeURIComponent(new URL(url).pathname.split("/").at(-1) ?? "");
}

/** Ends a script with what to do when the package manager could not do what the lock says. */
export const CANNOT_INSTALL = [
  'echo "kvci-build: the packages cannot be installed as they are in the lock; if the lines above say that a version is gone, run kvci-build lock" >&2',
  "exit 1",
] as const;
