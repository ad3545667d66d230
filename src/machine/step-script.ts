import type { PlannedOp } from "../core/op.ts";
import { shellCommand, shellQuote } from "./shell-quote.ts";

/** Ops that travel together as one script; the others stand between scripts. */
export type ScriptOp = Extract<PlannedOp, { kind: "run" } | { kind: "write-file" } | { kind: "wait-for" }>;

/** An op with its place in the step, counted from 0. */
export interface Placed<O> {
  readonly index: number;
  readonly op: O;
}

/** A run without a deadline of its own gets this one: longer than any package installation seen under TCG. */
export const RUN_TIMEOUT_MS = 15 * 60_000;

/** GNU timeout's exit status when the deadline passed; 137 when the command had to be killed after it. */
export const TIMED_OUT = 124;

/**
 * The script that runs `ops` in order and stops at the first that fails. Around each op it writes a marker to both
 * streams (record separator, nonce, `begin` or `end`, index, status), so that output, exit status and time can be
 * told apart per op over one connection. A command per connection costs 0.5 to 0.75 s each.
 *
 * @param nonce random text that no command's output will hold.
 */
export function stepScript(ops: readonly Placed<ScriptOp>[], nonce: string): string {
  const body = ops.flatMap(({ index, op }) => [
    `mark begin ${String(index)} 0`,
    "(",
    ...opLines(op),
    ") </dev/null",
    `status=$?; mark end ${String(index)} "$status"; [ "$status" -eq 0 ] || exit 1`,
  ]);
  return [...PRELUDE(nonce), ...body, ""].join("\n");
}

const PRELUDE = (nonce: string): string[] => [
  `mark() { printf '\\036${nonce} %s %s %s\\n' "$1" "$2" "$3"; printf '\\036${nonce} %s %s %s\\n' "$1" "$2" "$3" >&2; }`,
  "export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive",
  "umask 022; cd /",
];

function opLines(op: ScriptOp): string[] {
  switch (op.kind) {
    case "run":
      return [withDeadline(op.argv, op.timeoutMs ?? RUN_TIMEOUT_MS)];
    case "write-file":
      return writeFileLines(op);
    case "wait-for":
      return waitForLines(op);
  }
}

/** GNU timeout: SIGTERM at the deadline, SIGKILL five seconds later. */
function withDeadline(argv: readonly string[], timeoutMs: number): string {
  return `timeout -k 5 ${seconds(timeoutMs)} ${argv.map(shellQuote).join(" ")}`;
}

function writeFileLines(op: Extract<ScriptOp, { kind: "write-file" }>): string[] {
  const folder = op.path.slice(0, op.path.lastIndexOf("/")) || "/";
  const encoded =
    Buffer.from(op.content, "utf8")
      .toString("base64")
      .match(/.{1,76}/g) ?? [];
  return [
    "set -e",
    shellCommand(["mkdir", "-p", "--", folder]),
    `new=$(mktemp ${shellQuote(`${folder === "/" ? "" : folder}/.kvci-build.XXXXXX`)})`,
    `base64 -d >"$new" <<'END'`,
    ...encoded,
    "END",
    `chown ${shellQuote(op.owner)} "$new"`,
    `chmod ${op.mode.toString(8).padStart(4, "0")} "$new"`,
    `mv -fT "$new" ${shellQuote(op.path)}`,
    // A file made in the folder has the folder's label; where a policy knows better, it is asked.
    `if [ -x /usr/sbin/restorecon ]; then restorecon ${shellQuote(op.path)}; fi`,
  ];
}

function waitForLines(op: Extract<ScriptOp, { kind: "wait-for" }>): string[] {
  const deadline = seconds(op.timeoutMs);
  return [
    `end=$(( $(cut -d. -f1 /proc/uptime) + ${String(Math.ceil(op.timeoutMs / 1000))} ))`,
    `until timeout -k 5 ${deadline} ${op.argv.map(shellQuote).join(" ")}; do`,
    `  [ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ] || exit ${String(TIMED_OUT)}`,
    `  sleep ${seconds(op.intervalMs)}`,
    "done",
  ];
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3).replace(/\.?0+$/, "");
}
