import { mkdir, open, readdir, readFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { writing } from "../core/file-system-error.ts";
import { flush } from "../store/atomic.ts";
import { ledgerRecord, type LedgerRecord, type NewRecord } from "./ledger-record.ts";
import type { PublishStep, StepResult } from "./step.ts";

/**
 * What a run did and is about to do, one line of JSON for each transition, flushed before the next thing happens. It is a hint:
 * what is at the targets counts. Files are readable by their owner alone, because an upload session's URL is a secret.
 */
export interface Ledger extends AsyncDisposable {
  readonly run: string;
  readonly path: string;
  /** Resolves when the record is on the disk. */
  append(record: NewRecord): Promise<void>;
}

/** Begins the ledger of a new run, or goes on with that of an old one (to roll it back). */
export async function openLedger(
  folder: string,
  { run, now }: { readonly run: string; readonly now: () => number },
): Promise<Ledger> {
  const path = join(folder, `${run}.jsonl`);
  return writing(folder, async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(path, "a+", 0o600);
    await cutTornLine(file);
    await flush(folder);
    return ledgerOn(file, { run, path, now });
  });
}

function ledgerOn(
  file: FileHandle,
  { run, path, now }: { readonly run: string; readonly path: string; readonly now: () => number },
): Ledger {
  let last: Promise<unknown> = Promise.resolve();
  return {
    run,
    path,
    append: (record) => {
      const line = `${JSON.stringify({ ...record, at: new Date(now()).toISOString() })}\n`;
      const write = last.then(() =>
        writing(path, async () => {
          await file.appendFile(line);
          await file.datasync();
        }),
      );
      last = write.catch(() => undefined);
      return write;
    },
    [Symbol.asyncDispose]: async () => {
      await last;
      await file.close();
    },
  };
}

/** A crash may leave half a line at the end; what is appended after it must not be joined to it. */
async function cutTornLine(file: FileHandle): Promise<void> {
  const text = await file.readFile("utf8");
  const whole = text.lastIndexOf("\n") + 1;
  if (whole < text.length) await file.truncate(Buffer.byteLength(text.slice(0, whole)));
}

/** A run as its ledger tells it. */
export interface LedgerRun {
  readonly run: string;
  readonly path: string;
  readonly begun: Extract<LedgerRecord, { type: "run" }>;
  /** In the order they were written; lines that cannot be read are left out. */
  readonly records: readonly LedgerRecord[];
}

/** All runs of a folder, oldest first. */
export async function readLedgers(folder: string): Promise<LedgerRun[]> {
  const names = await readdir(folder).catch(() => []);
  const runs: LedgerRun[] = [];
  for (const name of names.filter((each) => each.endsWith(".jsonl")).sort()) {
    const path = join(folder, name);
    const records = (await readFile(path, "utf8")).split("\n").flatMap(parsed);
    const begun = records.find((record) => record.type === "run");
    if (begun) runs.push({ run: begun.run, path, begun, records });
  }
  return runs.sort((a, b) => a.begun.at.localeCompare(b.begun.at));
}

function parsed(line: string): LedgerRecord[] {
  try {
    return [ledgerRecord.parse(JSON.parse(line))];
  } catch {
    return [];
  }
}

/** What was remembered by runs of one subject, the latest value of every key. */
export function rememberedBy(runs: readonly LedgerRun[], subject: string): Map<string, RememberedValue> {
  const records = runs.filter(({ begun }) => begun.subject === subject).flatMap((each) => each.records);
  return new Map(records.flatMap((record) => (record.type === "remembered" ? [[record.key, record.value]] : [])));
}

type RememberedValue = Extract<LedgerRecord, { type: "remembered" }>["value"];

/** A step that a run began and did not take back. */
export interface BegunStep {
  readonly step: PublishStep;
  /** Undefined when the run ended in the middle of it: what it made, if anything, is found at the target only. */
  readonly result: StepResult | undefined;
}

/** Everything that a run may have left at its targets, in the order it was begun. */
export function begunSteps({ records }: Pick<LedgerRun, "records">): BegunStep[] {
  const begun = new Map<string, BegunStep>();
  for (const record of records) {
    if (record.type === "intended") begun.set(record.step, { step: record.data, result: undefined });
    const known = record.type === "done" ? begun.get(record.step) : undefined;
    if (record.type === "done" && known) begun.set(record.step, { step: known.step, result: record.result });
    if (record.type === "undone") begun.delete(record.step);
  }
  return [...begun.values()];
}
