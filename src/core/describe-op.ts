import { digestOfValue, shortDigest, type Digest } from "./digest.ts";
import type { Op, PlannedCopyIn, PlannedFetchIn, PlannedOp } from "./op.ts";

/** Digest under which a build is given the file of a planned copy or fetch: what is put into the guest, edits included. */
export function sourceDigest(op: PlannedCopyIn | PlannedFetchIn): Digest {
  if (op.kind === "copy-in" || op.edits.length === 0) return op.digest;
  return digestOfValue({ digest: op.digest, edits: op.edits });
}

/** One line for a person: what a planned op does. */
export function describePlannedOp(value: PlannedOp): string {
  switch (value.kind) {
    case "copy-in":
      return `copy ${shortDigest(value.digest)} to ${value.path}`;
    case "fetch-in":
      return `fetch ${shortDigest(value.digest)} to ${value.path}`;
    case "load-images":
      return `import ${String(value.images.length)} container images into ${value.runtime}`;
    default:
      return describeOp(value);
  }
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
    case "fetch-in":
      return `fetch ${value.url} to ${value.path}`;
    case "load-images":
      return `import container images into ${value.runtime}`;
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
