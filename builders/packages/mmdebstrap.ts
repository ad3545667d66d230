import type { Bootstrapper, BootstrapRequest } from "./bootstrapper.ts";

/**
 * Left out of the guest for good, by dpkg's own configuration there: nobody reads them on a node, and they are a third of
 * the files. Copyright notices stay, as the licences ask; so does the table without which locales cannot be made.
 */
const DPKG_OPTIONS = [
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/lintian/*",
  "path-exclude=/usr/share/locale/*",
  "path-include=/usr/share/locale/locale.alias",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
] as const;

const SETUP_SCRIPT = "setup.sh";

/** Debian and Ubuntu, by mmdebstrap. It checks the archive's signatures with the keyrings of the host. */
export const aptBootstrapper: Bootstrapper = {
  program: "mmdebstrap",
  versionArgv: () => ["mmdebstrap", "--version"],
  argv: (request) => [
    "mmdebstrap",
    // Named, because "auto" may choose a mode that fakes root and can mount nothing.
    `--mode=${request.treeFolder === undefined ? "unshare" : "root"}`,
    "--variant=minbase",
    // The disk is made by customize.sh, where users and groups are the guest's in both modes.
    "--format=null",
    "--verbose",
    `--architectures=${request.arch}`,
    `--components=${request.release.components.join(",")}`,
    // Flushing every file costs half the time; it is taken out of the guest's configuration again.
    "--dpkgopt=force-unsafe-io",
    ...DPKG_OPTIONS.map((option) => `--dpkgopt=${option}`),
    `--include=${request.packages.join(",")}`,
    ...(isRedirected(request) ? [`--setup-hook=sh ./${SETUP_SCRIPT} "$1"`] : []),
    '--customize-hook=sh ./customize.sh "$1"',
    request.release.suite,
  ],
  env: ({ treeFolder }) => ({ LC_ALL: "C.UTF-8", ...(treeFolder === undefined ? {} : { TMPDIR: treeFolder }) }),
  scripts: (request) => (isRedirected(request) ? { [SETUP_SCRIPT]: sourcesScript(request) } : {}),
  cleanUp: () => [
    // mmdebstrap keeps daemons from starting while packages are configured, and takes that back only after our script.
    'rm -f "$root/usr/sbin/policy-rc.d"',
    'if [ -e "$root/sbin/start-stop-daemon.REAL" ]; then mv "$root/sbin/start-stop-daemon.REAL" "$root/sbin/start-stop-daemon"; fi',
    `sed -i '/^force-unsafe-io$/d' "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"`,
    // The guest gets the distribution's own sources, not the mirror that this build went to.
    'if [ -s ./sources.list ]; then cat ./sources.list > "$root/etc/apt/sources.list"; fi',
    'rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb',
    'rm -f "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old',
    'rm -f "$root/var/log/dpkg.log" "$root/var/log/alternatives.log" "$root/var/log/bootstrap.log" "$root"/var/log/apt/*',
    // update-alternatives links manual pages into folders that dpkg, told to leave them out, does not make.
    'for section in 1 2 3 4 5 6 7 8; do mkdir -p "$root/usr/share/man/man$section"; done',
  ],
  listPackages: () => `chroot "$root" dpkg-query --show --showformat '\${Package}\\t\${Version}\\t\${Architecture}\\n'`,
  removeTree: "mmdebstrap --unshare-helper rm -rf --",
  hint: failureHint,
};

function isRedirected({ mirror, relay }: BootstrapRequest): boolean {
  return (mirror ?? relay) !== undefined;
}

/**
 * Sends apt to the mirror for this run, and through the relay where there is one. Debian keeps security updates in an archive of its own, which mirrors have beside
 * the main one with `-security` at the end; Ubuntu has everything in one.
 */
function sourcesScript({ spec, mirror, relay }: BootstrapRequest): string {
  const archive = mirror?.replace(/\/+$/, "");
  const security = archive !== undefined && spec.distribution === "debian" ? `${archive}-security` : archive;
  const replace = (lines: string, url: string | undefined): string =>
    url === undefined ? "" : `-e '${lines} s|https\\{0,1\\}://[^ ]*|${sedText(url)}|'`;
  const through = relay === undefined ? "" : `-e 's|\\(https\\{0,1\\}\\)://|${sedText(relay)}/\\1/|'`;
  return [
    "set -eu",
    'list="$1/etc/apt/sources.list"',
    'cat "$list" > ./sources.list',
    `sed ${replace("/-security /", security)} ${replace("/-security /!", archive)} ${through} ./sources.list > "$list"`,
    "",
  ].join("\n");
}

/** `text` for the right side of sed's `s|…|…|` in single quotes. */
function sedText(text: string): string {
  return text.replace(/[\\&|]/g, "\\$&").replaceAll("'", "'\\''");
}

const KEYRINGS: Readonly<Record<string, string>> = {
  debian: "debian-archive-keyring (apt) or debian-keyring (dnf)",
  ubuntu: "ubuntu-archive-keyring or ubuntu-keyring (apt), ubu-keyring (dnf)",
};

/** What apt, mmdebstrap and the programs around it complain with; dpkg's chatter names files such as binfmt.d. */
const COMPLAINT = /^(?:[EW]: |Err:|(?:unshare|newuidmap|newgidmap|mount|setpriv|chroot|env): )/;

const noMirror = ({ spec }: BootstrapRequest): string =>
  `The package mirror does not answer: check network and proxy, or name another one in the environment's packageMirrors.${spec.distribution}.`;

/** Most telling first: a later line is often only the echo of an earlier cause. */
const HINTS: readonly { readonly pattern: RegExp; readonly hint: (request: BootstrapRequest) => string }[] = [
  {
    pattern: /arch-test|cannot be executed natively|binfmt|Exec format error|cannot find \/usr\/bin\/qemu-/i,
    hint: ({ arch }) =>
      `This host cannot run ${arch} programs: install qemu-user-static, binfmt-support and arch-test (apt), or qemu-user-static-binfmt (dnf).`,
  },
  {
    // The relay's words. apt takes what does not come for what nobody signed.
    pattern: /\b50\d\s+cannot fetch /,
    hint: noMirror,
  },
  {
    pattern: /NO_PUBKEY|is not signed|keyring .*does not exist|EXPKEYSIG/i,
    hint: ({ spec }) =>
      `The archive's signing key is not on this host, or is too old: install or update ${KEYRINGS[spec.distribution] ?? "its keyring"}.`,
  },
  {
    pattern: /Unable to locate package|has no installation candidate/i,
    hint: ({ spec }) => `Check the names in include against the packages of ${spec.distribution} ${spec.release}.`,
  },
  {
    pattern: /newuidmap|subuid|subgid|unprivileged_userns|Operation not permitted|unshare failed/i,
    hint: () =>
      "Run as root, or install uidmap (apt) or shadow-utils (dnf), give this user ranges in /etc/subuid and /etc/subgid, and allow user namespaces.",
  },
  {
    pattern:
      /Could not resolve|Could not connect|Failed to fetch|Unable to connect|Connection (?:failed|refused|timed out)|does not have a Release file/i,
    hint: noMirror,
  },
];

/** @returns what to do next, judged by mmdebstrap's output. */
function failureHint(output: string, request: BootstrapRequest): string {
  const complaints = output
    .split("\n")
    .filter((line) => COMPLAINT.test(line))
    .join("\n");
  const known = HINTS.find(({ pattern }) => pattern.test(complaints));
  return (
    known?.hint(request) ??
    "Read mmdebstrap's last lines above; when they tell of a passing fault, run the same command again."
  );
}
