import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { PackageLock } from "../core/lock.ts";
import type { PackagesNeed } from "../core/need.ts";
import type { ImageOp } from "../core/op.ts";
import type { OsFamily, Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { aptInstall, aptRemove } from "./apt-install.ts";
import { dnfInstall, dnfRemove } from "./dnf-install.ts";
import { checkStep, stepName } from "./step-input.ts";

const packageSpec = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9+._-]*(?:@[a-z0-9][a-z0-9.+:~^_-]*\*?)?$/i,
    'write "name" or "name@version", for example "runc@1.1.5+ds1-1" or "kubelet@1.31.14-*"',
  );
const listSchema = z.array(packageSpec).min(1, "name at least one package");
const perFamilySchema = recordOf({ apt: z.array(packageSpec), dnf: z.array(packageSpec) });
const optionsSchema = recordOf({
  /** Installs what the packages recommend (apt) or weakly depend on (dnf), too. Default: false. */
  recommends: z.boolean().default(false),
});

/**
 * Packages as `name` or `name@version`, where a version may end in `*`; per family where the distributions name them
 * differently.
 */
export type PackageNames = readonly string[] | { readonly apt: readonly string[]; readonly dnf: readonly string[] };
export type InstallOptions = DeepReadonly<z.input<typeof optionsSchema>>;

/**
 * Installs packages, `name` or `name@version`, without what they only recommend. Services are not started: that is for
 * the node's first boot. Leaves no package cache and no list. With an entry in the lock it installs exactly what is
 * written there, and compares every file with its digest before any is unpacked.
 *
 * @throws {InputError} `template-invalid`
 */
export function installPackages(names: PackageNames, options: InstallOptions = {}): Step<ImageOp> {
  const perFamily = checkNames("installPackages", names);
  const { recommends } = checkStep("installPackages", optionsSchema, options);
  const name = stepName("install", perFamily.apt.length > 0 ? perFamily.apt : perFamily.dnf);
  const needOf = ({ family }: Platform): PackagesNeed => ({
    kind: "packages",
    set: name,
    names: perFamily[family],
    recommends,
  });
  return {
    name,
    needs: (platform) => [needOf(platform)].filter(({ names: wanted }) => wanted.length > 0),
    ops: (platform, lock) => installOps(platform, needOf(platform), lock),
  };
}

/** Removes packages with their configuration, and what nothing needs any more without them. */
export function removePackages(names: PackageNames): Step<ImageOp> {
  const perFamily = checkNames("removePackages", names);
  return {
    name: stepName("remove", perFamily.apt.length > 0 ? perFamily.apt : perFamily.dnf),
    ops: ({ family }) => removeOps(family, perFamily[family]),
  };
}

function checkNames(what: string, names: PackageNames): Readonly<Record<OsFamily, readonly string[]>> {
  if (!Array.isArray(names)) return checkStep(what, perFamilySchema, names);
  const both = checkStep(what, listSchema, names);
  return { apt: both, dnf: both };
}

function installOps(platform: Platform, need: PackagesNeed, lock: PackageLock | undefined): readonly ImageOp[] {
  if (need.names.length === 0) return [];
  const set = lock?.(need.set);
  // What the base has may be raised to the versions that the lock has for it, when a package asks for that.
  const locked = set && { packages: set.packages, base: lock?.(BASE_SET)?.packages ?? {} };
  return platform.family === "apt" ? aptInstall(need, locked) : dnfInstall(platform, need, locked);
}

/** The lock's name for what the base brings. */
const BASE_SET = "base";

function removeOps(family: OsFamily, specs: readonly string[]): readonly ImageOp[] {
  const names = specs.map((spec) => spec.replace(/@.*/, ""));
  if (names.length === 0) return [];
  return family === "apt" ? aptRemove(names) : dnfRemove(names);
}
