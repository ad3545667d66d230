import type { PackagesBase } from "../../src/core/base.ts";
import type { Arch } from "../../src/core/platform.ts";
import type { Release } from "./recipe.ts";

export interface BootstrapRequest {
  readonly spec: PackagesBase;
  readonly arch: Arch;
  readonly release: Release;
  readonly packages: readonly string[];
  /** Package archive to take instead of the distribution's default. */
  readonly mirror?: string | undefined;
  /** Through which packages come, `http://127.0.0.1:<port>`: `https://host/path` is at `<relay>/https/host/path`. */
  readonly relay?: string | undefined;
  /** Where the tree is made, as root. Without, it is a folder of /var/tmp, and the tree is made in a user namespace. */
  readonly treeFolder: string | undefined;
}

/**
 * A program that unpacks and configures packages into a tree, and runs our script while the tree is complete. It is started
 * in the exchange folder, where it finds `customize.sh` (run as `sh ./customize.sh TREE`, as the tree's root user, with the
 * exchange folder as working directory) and the bootstrapper's own `scripts`.
 */
export interface Bootstrapper {
  /** The host program; its name is kept in the base's record. */
  readonly program: string;
  versionArgv(): readonly [string, ...string[]];
  argv(request: BootstrapRequest): readonly [string, ...string[]];
  env(request: BootstrapRequest): Readonly<Record<string, string>>;
  /** Further scripts for the exchange folder, by file name. */
  scripts(request: BootstrapRequest): Readonly<Record<string, string>>;
  /** Shell lines that undo, in the tree `$root`, what the package manager and the program leave in it. */
  cleanUp(): readonly string[];
  /** Prints name, version and architecture of every package in `$root`, tab-separated. */
  listPackages(): string;
  /** Start of a shell command that removes a folder which belongs to users of a namespace. */
  readonly removeTree: string;
  /** What to do about a failure, judged by the program's output. */
  hint(output: string, request: BootstrapRequest): string;
}
