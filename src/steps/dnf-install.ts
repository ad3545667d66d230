import type { LockedPackage } from "../core/lock.ts";
import type { PackagesNeed } from "../core/need.ts";
import type { ImageOp, Run } from "../core/op.ts";
import { run, runFor, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import { DNF_REPOSITORIES, DNF_RUN_DIR, placeRepositories } from "./dnf-repositories.ts";
import {
  CANNOT_INSTALL,
  everyPackage,
  fileNameOf,
  INSTALL_TIMEOUT_MS,
  type LockedPackages,
} from "./locked-packages.ts";
import { lines } from "./script.ts";

const LOCKED = `${DNF_RUN_DIR}/locked`;
/** What the step is to install: one package a line. */
const WANTED = `${DNF_RUN_DIR}/wanted`;
/** What is asked of dnf: one argument a line. Nothing when everything is there. */
const REQUEST = `${DNF_RUN_DIR}/request`;
/** On the disk, since packages may be more than the memory below /run holds; gone before the layer closes. */
const CACHE = "/var/cache/kvci-dnf";

/** Installs packages, in the versions of the lock where it has them. */
export function dnfInstall(
  platform: Platform,
  { names, recommends }: Pick<PackagesNeed, "names" | "recommends">,
  locked: LockedPackages | undefined,
): readonly ImageOp[] {
  const options = [
    `--setopt=install_weak_deps=${recommends ? "True" : "False"}`,
    "--setopt=tsflags=nodocs",
    `--setopt=reposdir=${DNF_REPOSITORIES}`,
  ];
  if (locked) return [placeRepositories(platform), ...lockedInstall(names, locked, options)];
  const pinned = names.map((spec) => spec.replace("@", "-"));
  return [placeRepositories(platform), dnf("install", ...options, ...pinned), run("dnf", "clean", "all")];
}

/** Removes packages, and what nothing needs any more without them. */
export function dnfRemove(names: readonly string[]): readonly ImageOp[] {
  return [dnf("remove", ...names)];
}

/**
 * Downloads, compares with the lock, and installs what was compared. The second transaction is the first one again, from
 * the cache alone, so that dnf knows which repository's key a package has to be signed by.
 */
function lockedInstall(
  specs: readonly string[],
  locked: LockedPackages,
  options: readonly string[],
): readonly ImageOp[] {
  const cache = [`--setopt=cachedir=${CACHE}`, `--setopt=system_cachedir=${CACHE}`, "--setopt=keepcache=True"];
  const install = ["dnf", "install", "--assumeyes", ...options, ...cache];
  return [
    writeFile(LOCKED, lockedList(locked)),
    writeFile(WANTED, lines(...specs.map((spec) => pinned(spec, locked)))),
    runFor(INSTALL_TIMEOUT_MS, "sh", "-ec", DOWNLOAD_SCRIPT, ...install),
    runFor(INSTALL_TIMEOUT_MS, "xargs", "-r", "-a", REQUEST, ...install, "--cacheonly"),
    run("rm", "-rf", CACHE, LOCKED, WANTED, REQUEST),
  ];
}

/** A package of the base or of an earlier step is there already. */
function pinned(spec: string, { packages }: LockedPackages): string {
  const name = spec.replace(/@.*/, "");
  const found = packages[name];
  return found ? nevra(name, found) : name;
}

function nevra(name: string, { version, arch }: LockedPackage): string {
  return `${name}-${version}.${arch}`;
}

/** Digest, file, name, version with epoch and architecture, and whose it is, of one package a line. */
function lockedList(locked: LockedPackages): string {
  return lines(
    ...everyPackage(locked).map(([name, found]) =>
      [found.digest, fileNameOf(found), name, nevra(name, found), locked.packages[name] ? "step" : "base"].join(" "),
    ),
  );
}

/**
 * Arguments: the installation. Packages of this step's entry that are installed in an older version are raised to the locked one:
 * another step may need that, and is not to find two truths. What is not locked is not there to be installed.
 */
const DOWNLOAD_SCRIPT = [
  // dnf takes what is there but not offered for a mistake.
  `while read -r spec; do rpm --query --whatprovides "$spec" > ${DNF_RUN_DIR}/found 2>&1 || echo "$spec"; done < ${WANTED} > ${REQUEST}`,
  `rpm --query --all --queryformat '%{NAME}\\n' | sort -u > ${DNF_RUN_DIR}/installed`,
  `while read -r digest file name nevra whose; do [ "$whose" = base ] || echo "$name"; done < ${LOCKED} | sort -u |`,
  `  comm -12 - ${DNF_RUN_DIR}/installed >> ${REQUEST}`,
  `[ -s ${REQUEST} ] || exit 0`,
  `echo "--setopt=includepkgs=$(while read -r digest file name nevra whose; do printf '%s,' "$nevra"; done < ${LOCKED})" >> ${REQUEST}`,
  `rm -rf ${CACHE}`,
  `xargs -a ${REQUEST} "$0" "$@" --downloadonly || {`,
  ...CANNOT_INSTALL.map((line) => `  ${line}`),
  "}",
  `find ${CACHE} -name '*.rpm' -exec sha256sum {} + | {`,
  "  failed=0",
  "  while read -r digest path; do",
  "    file=${path##*/}",
  `    if grep -q -F "sha256:$digest $file " ${LOCKED}; then continue; fi`,
  '    problem="is not in the lock"',
  "    while read -r locked name rest; do",
  '      if [ "$name" = "$file" ]; then problem="has sha256:$digest, the lock has $locked"; fi',
  `    done < ${LOCKED}`,
  `    package=$(rpm --query --package --nosignature --queryformat '%{NAME}' "$path" 2>/dev/null || echo unknown)`,
  '    echo "kvci-build: package $package, file $file $problem: run kvci-build lock, and look at what changes" >&2',
  "    failed=1",
  "  done",
  "  exit $failed",
  "}",
].join("\n");

function dnf(verb: string, ...args: readonly string[]): Run {
  return runFor(INSTALL_TIMEOUT_MS, "dnf", verb, "--assumeyes", ...args);
}
