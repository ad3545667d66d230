/**
 * Why a program is not simply started: mmdebstrap ignores SIGTERM and waits for its children, which nobody told. So a small
 * shell stands between, ends the whole tree when it is told to (Ctrl-C, a deadline) or when our own process is gone
 * (`setpriv --pdeathsig`, which also covers kill -9), and waits until the tree is gone before it goes itself.
 */
const supervisor = (start: string, end: string): string => `child= stop= status=0
# When we are gone nobody reads what the shell itself says ("Killed"). A handler, unlike an ignored signal, is not inherited.
trap : PIPE
trap 'stop=y; [ -z "$child" ] || ${end}' HUP INT TERM
${start} "$@" &
child=$!
[ -z "$stop" ] || ${end}
wait "$child" || status=$?
# A signal ends wait early; the child is still on its way out.
while kill -0 "$child" 2>/dev/null; do wait "$child" || status=$?; done`;

/** As root: PID and mount namespaces, whose end takes every process and every mount along at once. */
const AS_ROOT = `${supervisor(
  "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc --",
  'kill -KILL "$child"',
)}
exit "$status"`;

/**
 * As a user: a process group, all of which our user may kill, as the owner of its user namespace. The tree belongs to users
 * of that namespace, as which only the bootstrapper can remove it; what is left then is ours. /var/tmp, because those users
 * need to reach it, which a folder below a home seldom allows.
 */
const asUser = (removeTree: string): string => `TMPDIR=$(mktemp -d /var/tmp/kvci-build.XXXXXXXXXX)
export TMPDIR
chmod 1777 "$TMPDIR"
${supervisor("setsid --", 'kill -KILL "-$child" "$child"')}
${removeTree} "$TMPDIR" 2>/dev/null
rm -rf "$TMPDIR"
exit "$status"`;

/** `argv`, started so that it never outlives this process. `removeTree` is the start of a shell command that removes a folder. */
export function supervised(
  argv: readonly string[],
  options: { readonly asRoot: boolean; readonly removeTree: string },
): readonly [string, ...string[]] {
  const script = options.asRoot ? AS_ROOT : asUser(options.removeTree);
  return ["setpriv", "--pdeathsig", "TERM", "sh", "-c", script, "kvci-build", ...argv];
}
