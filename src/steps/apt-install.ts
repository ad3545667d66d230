import type { PackagesNeed } from "../core/need.ts";
import type { ImageOp, Run } from "../core/op.ts";
import { run, runFor, writeFile } from "../core/op-makers.ts";
import { APT_SOURCES_SCRIPT } from "./apt-sources.ts";
import { APT_CONF, APT_RUN_DIR } from "./apt-run-dir.ts";
import { CANNOT_INSTALL, everyPackage, INSTALL_TIMEOUT_MS, type LockedPackages } from "./locked-packages.ts";
import { lines } from "./script.ts";

const POLICY = "/usr/sbin/policy-rc.d";
const PREFERENCES = `${APT_RUN_DIR}/preferences`;
/** What is asked of apt: one argument a line. */
const REQUEST = `${APT_RUN_DIR}/request`;

/** Installs packages, in the versions of the lock where it has them. */
export function aptInstall(
  { names, recommends }: Pick<PackagesNeed, "names" | "recommends">,
  locked: LockedPackages | undefined,
): readonly ImageOp[] {
  const withOthers = recommends ? "--install-recommends" : "--no-install-recommends";
  if (locked) return lockedInstall(names, locked, withOthers);
  return [
    writeFile(APT_CONF, aptConf()),
    refreshLists(),
    ...withoutServices(apt("install", withOthers, ...names.map((spec) => spec.replace("@", "=")))),
    forgetDownloads(),
  ];
}

/** Removes packages with their configuration, and what nothing needs any more without them. */
export function aptRemove(names: readonly string[]): readonly ImageOp[] {
  return [writeFile(APT_CONF, aptConf()), apt("purge", "--autoremove", ...names)];
}

/** Makes the next installation read the lists anew, as a new repository needs it. */
export function forgetAptLists(): Run {
  return run("rm", "-rf", APT_RUN_DIR);
}

/** Downloads, compares with the lock, and installs what was compared. apt checks signatures as ever. */
function lockedInstall(specs: readonly string[], locked: LockedPackages, withOthers: string): readonly ImageOp[] {
  const install = ["apt-get", "install", "--no-download", withOthers];
  return [
    writeFile(APT_CONF, aptConf(`Dir::Etc::preferences "${PREFERENCES}";`)),
    refreshLists(),
    writeFile(PREFERENCES, preferences(locked)),
    runFor(INSTALL_TIMEOUT_MS, "sh", "-ec", DOWNLOAD_SCRIPT, withOthers, ...specs.map((spec) => pinned(spec, locked))),
    ...withoutServices(runFor(INSTALL_TIMEOUT_MS, "xargs", "-a", REQUEST, "env", ...ENVIRONMENT, ...install)),
    forgetDownloads(),
    // The next installation may have no entry in the lock.
    run("rm", PREFERENCES, REQUEST),
  ];
}

/** A package of the base or of an earlier step is there already. */
function pinned(spec: string, { packages }: LockedPackages): string {
  const name = spec.replace(/@.*/, "");
  const version = packages[name]?.version;
  return version === undefined ? name : `${name}=${version}`;
}

/** What is locked counts more than any repository's newest, and what is not locked is not there to be installed. */
function preferences(locked: LockedPackages): string {
  const stanzas = everyPackage(locked).map(([name, { version, digest }]) => [
    "",
    `Explanation: ${digest}${locked.packages[name] ? "" : " base"}`,
    `Package: ${name}`,
    `Pin: version ${version}`,
    "Pin-Priority: 995",
  ]);
  return lines("Package: *", 'Pin: origin "*"', "Pin-Priority: -1", ...stanzas.flat());
}

const ENVIRONMENT = [`APT_CONFIG=${APT_CONF}`, "DEBIAN_FRONTEND=noninteractive"] as const;

/** Reads the preferences into `digest` and, but for the base's, `version`, by package. */
const READ_PREFERENCES = [
  "NR == FNR {",
  '  if ($1 == "Explanation:") { explanation = $2; whose = $3 }',
  '  if ($1 == "Package:") name = $2',
  '  if ($1 == "Pin:" && $2 == "version") { digest[name] = explanation; if (whose != "base") version[name] = $3 }',
  "  next",
  "}",
] as const;

/**
 * Arguments: what to do about recommended packages, then the packages. Packages of this step's entry that are installed in an older
 * version are raised to the locked one: another step may need that, and is not to find two truths.
 */
const DOWNLOAD_SCRIPT = [
  `export ${ENVIRONMENT.join(" ")}`,
  `printf '%s\\n' "$@" > ${REQUEST}`,
  `dpkg-query --show --showformat '\${db:Status-Status} \${Package} \${Version}\\n' | awk '`,
  ...READ_PREFERENCES,
  '$1 == "installed" && ($2 in version) && version[$2] != $3 { print $2, $3, version[$2] }',
  `' ${PREFERENCES} - | while read -r name installed locked; do`,
  `  if dpkg --compare-versions "$installed" lt "$locked"; then echo "$name=$locked" >> ${REQUEST}; fi`,
  "done",
  // Not `apt-get clean`: it takes away what apt made of the lists, and an emulated guest makes that anew for ten seconds.
  "find /var/cache/apt/archives -name '*.deb' -delete",
  `xargs -a ${REQUEST} apt-get install --download-only "$0" || {`,
  ...CANNOT_INSTALL.map((line) => `  ${line}`),
  "}",
  "set -- /var/cache/apt/archives/*.deb",
  '[ -e "$1" ] || exit 0',
  'sha256sum "$@" | awk \'',
  ...READ_PREFERENCES,
  "{",
  '  file = $2; sub(".*/", "", file)',
  '  package = file; sub("_.*", "", package)',
  "  if (!(package in digest)) {",
  '    problem = "is not in the lock"',
  '  } else if ("sha256:" $1 != digest[package]) {',
  '    problem = "has sha256:" $1 ", the lock has " digest[package]',
  "  } else next",
  '  print "kvci-build: package " package ", file " file " " problem ": run kvci-build lock, and look at what changes" > "/dev/stderr"',
  "  failed = 1",
  "}",
  "END { exit failed }",
  `' ${PREFERENCES} -`,
].join("\n");

function aptConf(...more: readonly string[]): string {
  return lines(
    `Dir::State::lists "${APT_RUN_DIR}/lists";`,
    `Dir::Cache::pkgcache "${APT_RUN_DIR}/pkgcache.bin";`,
    `Dir::Cache::srcpkgcache "${APT_RUN_DIR}/srcpkgcache.bin";`,
    "// The lists are memory of the guest: compressed and without translations they take 30 MB of it instead of 100.",
    'Acquire::GzipIndexes "true";',
    'Acquire::Languages "none";',
    'Acquire::Retries "3";',
    "// apt 2.6 never comes back from waiting before it tries again, when another source is on the same server.",
    'Acquire::Retries::Delay "false";',
    'APT::Get::Assume-Yes "true";',
    "// A timer of the base may hold the lock.",
    'DPkg::Lock::Timeout "300";',
    'Dpkg::Use-Pty "0";',
    "// Files that the template wrote win; and the whole filesystem is flushed after the step anyway.",
    'Dpkg::Options { "--force-confdef"; "--force-confold"; "--force-unsafe-io"; };',
    ...more,
  );
}

/**
 * Lists of this boot are used for an hour, from the same place; a machine that was restored from memory may hold older
 * ones, and those of another relay.
 */
function refreshLists(): Run {
  const updated = `${APT_RUN_DIR}/updated`;
  const script = [
    ...APT_SOURCES_SCRIPT,
    `if [ -z "$(find ${updated} -mmin -60 2>/dev/null)" ] || [ "$(cat ${updated})" != "$relay" ]; then`,
    // Old lists and caches beside new ones are more than fits into /run, which is a fifth of the guest's memory.
    `  rm -f ${APT_RUN_DIR}/*.bin`,
    `  [ "$(cat ${updated} 2>/dev/null)" = "$relay" ] || rm -rf ${APT_RUN_DIR}/lists`,
    `  mkdir -p ${APT_RUN_DIR}/lists/partial`,
    `  APT_CONFIG=${APT_CONF} apt-get update --error-on=any`,
    `  echo "$relay" > ${updated}`,
    "fi",
  ].join("\n");
  return runFor(INSTALL_TIMEOUT_MS, "sh", "-ec", script);
}

/**
 * What was downloaded is overwritten before it goes: the disk gives back whole clusters of 64 KiB only, and what shares one with
 * other files would stay in the layer as it was.
 */
function forgetDownloads(): Run {
  const overwrite = "find /var/cache/apt/archives -name '*.deb' -exec shred --iterations=0 --zero {} +";
  return run("sh", "-ec", `${overwrite}\napt-get clean`);
}

/** Debian starts services when it installs them; 101 is "not allowed" in the words of invoke-rc.d. */
function withoutServices(install: Run): readonly ImageOp[] {
  return [writeFile(POLICY, lines("#!/bin/sh", "exit 101"), { mode: 0o755 }), install, run("rm", POLICY)];
}

function apt(...args: readonly string[]): Run {
  return runFor(INSTALL_TIMEOUT_MS, "env", ...ENVIRONMENT, "apt-get", ...args);
}
