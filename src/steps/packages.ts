import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp, Run } from "../core/op.ts";
import { run, runFor, writeFile } from "../core/op-makers.ts";
import type { OsFamily } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { lines } from "./script.ts";
import { checkStep, stepName } from "./step-input.ts";

const packageSpec = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9+._-]*(?:@[a-z0-9][a-z0-9.+:~^_-]*)?$/i,
    'write "name" or "name@version", for example "runc" or "runc@1.1.5+ds1-1"',
  );
const listSchema = z.array(packageSpec).min(1, "name at least one package");
const perFamilySchema = recordOf({ apt: z.array(packageSpec), dnf: z.array(packageSpec) });
const optionsSchema = recordOf({
  /** Installs what the packages recommend (apt) or weakly depend on (dnf), too. Default: false. */
  recommends: z.boolean().default(false),
});

/** Packages as `name` or `name@version`; per family where the distributions name them differently. */
export type PackageNames = readonly string[] | { readonly apt: readonly string[]; readonly dnf: readonly string[] };
export type InstallOptions = DeepReadonly<z.input<typeof optionsSchema>>;

/** Emulated guests (no KVM) unpack some 2 MB/s: half an hour lets a gigabyte through, the default of 15 minutes does not. */
const TIMEOUT_MS = 30 * 60_000;

/**
 * Where apt keeps lists while a build runs. /run is memory: no list reaches a layer, and the steps of one boot share them.
 * Not below /run/kvci-build, which apt's download user may not enter.
 */
export const APT_RUN_DIR = "/run/kvci-apt";
const APT_CONF = `${APT_RUN_DIR}/apt.conf`;
const POLICY = "/usr/sbin/policy-rc.d";

/**
 * Installs packages, `name` or `name@version`, without what they only recommend. Services are not started: that is for
 * the node's first boot. Leaves no package cache and no list.
 *
 * @throws {InputError} `template-invalid`
 */
export function installPackages(names: PackageNames, options: InstallOptions = {}): Step<ImageOp> {
  const perFamily = checkNames("installPackages", names);
  const { recommends } = checkStep("installPackages", optionsSchema, options);
  return {
    name: stepName("install", perFamily.apt.length > 0 ? perFamily.apt : perFamily.dnf),
    ops: ({ family }) => installOps(family, perFamily[family], recommends),
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

function installOps(family: OsFamily, specs: readonly string[], recommends: boolean): readonly ImageOp[] {
  if (specs.length === 0) return [];
  return family === "apt" ? aptInstall(specs, recommends) : dnfInstall(specs, recommends);
}

function aptInstall(specs: readonly string[], recommends: boolean): readonly ImageOp[] {
  return [
    writeFile(APT_CONF, aptConf()),
    refreshLists(),
    // Debian starts services when it installs them; 101 is "not allowed" in the words of invoke-rc.d.
    writeFile(POLICY, lines("#!/bin/sh", "exit 101"), { mode: 0o755 }),
    apt(
      "install",
      recommends ? "--install-recommends" : "--no-install-recommends",
      ...specs.map((spec) => spec.replace("@", "=")),
    ),
    run("rm", POLICY),
    run("apt-get", "clean"),
  ];
}

function aptConf(): string {
  return lines(
    `Dir::State::lists "${APT_RUN_DIR}/lists";`,
    `Dir::Cache::pkgcache "${APT_RUN_DIR}/pkgcache.bin";`,
    `Dir::Cache::srcpkgcache "${APT_RUN_DIR}/srcpkgcache.bin";`,
    "// The lists are memory of the guest: compressed and without translations they take 30 MB of it instead of 100.",
    'Acquire::GzipIndexes "true";',
    'Acquire::Languages "none";',
    'Acquire::Retries "3";',
    'APT::Get::Assume-Yes "true";',
    "// A timer of the base may hold the lock.",
    'DPkg::Lock::Timeout "300";',
    'Dpkg::Use-Pty "0";',
    "// Files that the template wrote win; and the whole filesystem is flushed after the step anyway.",
    'Dpkg::Options { "--force-confdef"; "--force-confold"; "--force-unsafe-io"; };',
  );
}

/** Lists of this boot are used for an hour; a machine that was restored from memory may hold older ones. */
function refreshLists(): Run {
  const script = [
    `if [ -z "$(find ${APT_RUN_DIR}/updated -mmin -60 2>/dev/null)" ]; then`,
    `  mkdir -p ${APT_RUN_DIR}/lists/partial`,
    `  APT_CONFIG=${APT_CONF} apt-get update --error-on=any`,
    `  touch ${APT_RUN_DIR}/updated`,
    "fi",
  ].join("\n");
  return runFor(TIMEOUT_MS, "sh", "-ec", script);
}

/** Makes the next installation read the lists anew, as a new repository needs it. */
export function forgetAptLists(): Run {
  return run("rm", "-rf", APT_RUN_DIR);
}

function apt(...args: readonly string[]): Run {
  return runFor(TIMEOUT_MS, "env", `APT_CONFIG=${APT_CONF}`, "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args);
}

function dnfInstall(specs: readonly string[], recommends: boolean): readonly ImageOp[] {
  const weak = recommends ? "True" : "False";
  const pinned = specs.map((spec) => spec.replace("@", "-"));
  return [
    dnf("install", `--setopt=install_weak_deps=${weak}`, "--setopt=tsflags=nodocs", ...pinned),
    run("dnf", "clean", "all"),
  ];
}

function dnf(verb: string, ...args: readonly string[]): Run {
  return runFor(TIMEOUT_MS, "dnf", verb, "--assumeyes", ...args);
}

function removeOps(family: OsFamily, specs: readonly string[]): readonly ImageOp[] {
  const names = specs.map((spec) => spec.replace(/@.*/, ""));
  if (names.length === 0) return [];
  if (family === "dnf") return [dnf("remove", ...names)];
  return [writeFile(APT_CONF, aptConf()), apt("purge", "--autoremove", ...names)];
}
