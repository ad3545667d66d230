import { createReadStream } from "node:fs";
import { lstat } from "node:fs/promises";
import { Readable, Transform, type TransformCallback } from "node:stream";
import { create, type WriteEntry } from "tar";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import type { PlannedCopyIn, PlannedFetchIn } from "../core/op.ts";
import { sourceDigest } from "../core/describe-op.ts";
import type { SourceFile } from "../core/plan.ts";
import type { Machine } from "./machine.ts";
import { lastLines } from "../host/last-lines.ts";

interface CopyContext {
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly sources: ReadonlyMap<string, SourceFile>;
}

/** Copies at less than 1 MiB/s are taken for stuck. */
const SLOWEST_BYTES_PER_MS = 1024;
const COPY_SLACK_MS = 60_000;

/**
 * Streams a host file or tree, or a fetched file, into the guest over the open connection: into a temporary name first, then into place.
 *
 * @throws {KvciError} `command-failed` when the guest could not write it, `template-invalid` when the source is gone.
 */
export async function copyIn(
  machine: Machine,
  op: PlannedCopyIn | PlannedFetchIn,
  context: CopyContext,
): Promise<void> {
  const source = context.sources.get(sourceDigest(op));
  if (!source) throw new KvciError("internal", `no source for ${op.path}`, { hint: "Report this." });
  const stat = await lstat(source.absolutePath);
  const body = stat.isDirectory() ? tarOf(source.absolutePath) : createReadStream(source.absolutePath);
  const script = stat.isDirectory() ? TREE_SCRIPT : FILE_SCRIPT;
  const mode = op.mode.toString(8).padStart(4, "0");
  const result = await machine.exec(["sh", "-ec", script, "copy-in", op.path, op.owner, mode], {
    stdin: body.pipe(counted(op.path, source.bytes, context.journal)),
    timeoutMs: COPY_SLACK_MS + source.bytes / SLOWEST_BYTES_PER_MS,
    signal: context.signal,
  });
  if (result.exitCode === 0) return;
  throw new KvciError("command-failed", `copy to ${op.path} exited ${String(result.exitCode)}`, {
    hint: "The guest's disk may be full: see disk.sizeGiB of the template.",
    evidence: lastLines(result.stderr, 10),
  });
}

const FILE_SCRIPT = `
mkdir -p -- "$(dirname -- "$1")"
new=$(mktemp "$1.XXXXXX")
trap 'rm -f "$new"' EXIT
cat >"$new"
chown "$2" "$new"
chmod "$3" "$new"
mv -fT "$new" "$1"
if [ -x /usr/sbin/restorecon ]; then restorecon "$1"; fi`;

const TREE_SCRIPT = `
mkdir -p -- "$1"
tar -C "$1" -x --no-same-owner
chown -R "$2" "$1"
if [ -x /usr/sbin/restorecon ]; then restorecon -R "$1"; fi`;

function tarOf(folder: string): Readable {
  // No host user names or times, and of the modes only whether a file can be executed: what the tree's digest covers.
  const onWriteEntry = (entry: WriteEntry): void => {
    if (entry.stat) {
      entry.stat.mode =
        (entry.stat.mode & ~0o7777) | (entry.stat.isDirectory() || entry.stat.mode & 0o100 ? 0o755 : 0o644);
    }
  };
  return Readable.from(create({ cwd: folder, portable: true, noMtime: true, onWriteEntry }, ["."]));
}

function counted(name: string, totalBytes: number, journal: Journal): Transform {
  let doneBytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      doneBytes += chunk.length;
      journal.emit({ type: "transfer", name, doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
      done(null, chunk);
    },
  });
}
