import { z } from "zod";
import type { Digest } from "./digest.ts";
import { checkInput, recordOf } from "./input.ts";

/** A command and its arguments. No shell is involved; for one, say so: `run("sh", "-ec", "…")`. */
export interface Run {
  readonly kind: "run";
  readonly argv: readonly string[];
  /** Milliseconds until the command is ended and the step fails. Default: 15 minutes. */
  readonly timeoutMs?: number;
}

/** Writes a text file, replacing what was there; missing parent directories are made (0755, root). */
export interface WriteFile {
  readonly kind: "write-file";
  readonly path: string;
  readonly content: string;
  /** Permission bits, for example 0o644. */
  readonly mode: number;
  /** `user:group`, names or numbers as chown takes them. */
  readonly owner: string;
}

/** Copies a file or a directory tree from the host; `source` is relative to the template's folder. */
export interface CopyIn {
  readonly kind: "copy-in";
  readonly source: string;
  readonly path: string;
  /** Permission bits of a copied file; a tree keeps those of its files. */
  readonly mode: number;
  readonly owner: string;
}

/** Restarts the guest and waits until it answers again. Booted machines only. */
export interface Reboot {
  readonly kind: "reboot";
  readonly timeoutMs: number;
}

/** Runs `argv` again and again until it exits 0. Booted machines only. */
export interface WaitFor {
  readonly kind: "wait-for";
  readonly argv: readonly string[];
  /** What is waited for, as the error says it: "containerd answers". */
  readonly reason: string;
  readonly timeoutMs: number;
  readonly intervalMs: number;
}

/** What any image can take, booted or not. */
export type ImageOp = Run | WriteFile | CopyIn;
/** What needs a booted guest. */
export type LiveOp = Reboot | WaitFor;
/** The closed union of everything a step can do. Ops are printed and hashed, so they never hold a secret. */
export type Op = ImageOp | LiveOp;

/** `CopyIn` as planned: the content counts, not the place it came from. */
export type PlannedCopyIn = Omit<CopyIn, "source"> & { readonly digest: Digest };
export type PlannedOp = Exclude<Op, CopyIn> | PlannedCopyIn;

// Half a surrogate pair has no UTF-8, so it could be neither hashed nor written as it stands.
const text = z.string().refine((value) => value.isWellFormed(), "the text holds half a surrogate pair");
const absolutePath = text.regex(
  /^\/(?!.*(?:^|\/)\.\.?(?:\/|$))[^\0\n]*$/,
  "an absolute path without . or .. parts is needed, for example /etc/motd",
);
const filePath = absolutePath.refine((path) => !path.endsWith("/"), "a file's path does not end with /");
const mode = z.int().min(0).max(0o7777);
const owner = z.string().regex(/^[a-z_0-9][a-z0-9_-]*:[a-z_0-9][a-z0-9_-]*$/i, 'write it as "user:group"');
const argument = text.refine((value) => !value.includes("\0"), "an argument cannot hold a NUL byte");
const argv = z
  .array(argument)
  .min(1, "a command is needed")
  .refine((list) => list[0] !== "", "the command is empty");
const timeoutMs = z.int().min(1);

const opSchema = z.discriminatedUnion("kind", [
  recordOf({ kind: z.literal("run"), argv, timeoutMs: timeoutMs.optional() }),
  recordOf({ kind: z.literal("write-file"), path: filePath, content: text, mode, owner }),
  recordOf({ kind: z.literal("copy-in"), source: argument.min(1), path: absolutePath, mode, owner }),
  recordOf({ kind: z.literal("reboot"), timeoutMs }),
  recordOf({ kind: z.literal("wait-for"), argv, reason: text.min(1), timeoutMs, intervalMs: timeoutMs }),
]);

function op<O extends Op>(value: O): O {
  return checkInput(opSchema, value, {
    code: "template-invalid",
    what: value.kind,
    hint: "See the operations in docs/templates.md.",
  }) as O;
}

/**
 * Checks what a step's `ops` returned: a step of one's own may be written in plain JavaScript, or build its ops by hand.
 *
 * @param step the step's name, for the message.
 * @throws {InputError} `template-invalid`; paths start with the index of the op.
 */
export function checkOps(step: string, value: unknown): readonly Op[] {
  return checkInput(z.array(opSchema), value, {
    code: "template-invalid",
    what: `step "${step}"`,
    hint: "See the operations in docs/templates.md.",
  }) as readonly Op[];
}

/** Runs a command as root in the guest; a non-zero exit fails the step. */
export function run(...argv: readonly [string, ...string[]]): Run {
  return op({ kind: "run", argv });
}

/** `run` with a deadline of its own, in milliseconds. */
export function runFor(timeoutMs: number, ...argv: readonly [string, ...string[]]): Run {
  return op({ kind: "run", argv, timeoutMs });
}

/** Writes a text file; mode 0644 and owner root:root unless told. */
export function writeFile(
  path: string,
  content: string,
  options: { readonly mode?: number; readonly owner?: string } = {},
): WriteFile {
  return op({ kind: "write-file", path, content, mode: options.mode ?? 0o644, owner: options.owner ?? "root:root" });
}

/** Copies a host file or tree into the guest; `source` is relative to the template's folder. */
export function copyIn(
  source: string,
  path: string,
  options: { readonly mode?: number; readonly owner?: string } = {},
): CopyIn {
  return op({ kind: "copy-in", source, path, mode: options.mode ?? 0o644, owner: options.owner ?? "root:root" });
}

/** Restarts the guest; 5 minutes to answer again unless told. */
export function reboot(options: { readonly timeoutMs?: number } = {}): Reboot {
  return op({ kind: "reboot", timeoutMs: options.timeoutMs ?? 300_000 });
}

/** Waits until a command exits 0; `reason` is what the error says was waited for. */
export function waitFor(
  reason: string,
  argv: readonly [string, ...string[]],
  options: { readonly timeoutMs?: number; readonly intervalMs?: number } = {},
): WaitFor {
  return op({
    kind: "wait-for",
    reason,
    argv,
    timeoutMs: options.timeoutMs ?? 120_000,
    intervalMs: options.intervalMs ?? 1_000,
  });
}

/** One line for a person: what the op does, shortened to its essence. */
export function describeOp(value: Op): string {
  switch (value.kind) {
    case "run":
      return withoutSettings(value.argv).join(" ").replace(/\s+/g, " ");
    case "write-file":
      return `write ${value.path}`;
    case "copy-in":
      return `copy ${value.source} to ${value.path}`;
    case "reboot":
      return "reboot";
    case "wait-for":
      return `wait until ${value.reason}`;
  }
}

/** What `env` sets for a command says less than the command. */
function withoutSettings(argv: readonly string[]): readonly string[] {
  const command = argv.findIndex((word, index) => index > 0 && !word.includes("="));
  return argv[0] === "env" && command > 0 ? argv.slice(command) : argv;
}
