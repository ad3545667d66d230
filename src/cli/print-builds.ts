import { relative } from "node:path";
import { streamPaint } from "../journal/paint.ts";
import { renderSummary, type BuildSummary } from "../journal/summary.ts";
import { secretsFromEnvironment } from "../journal/environment-secrets.ts";
import { createRedactor } from "../journal/redaction.ts";
import type { App } from "./app.ts";
import type { FinishedBuild } from "./build-setup.ts";
import type { BuildOutcome } from "./matrix-builds.ts";
import { matrixResult, worstExit, type MatrixResult } from "./matrix-result.ts";
import { renderMatrix } from "./matrix-table.ts";
import { reportFailure } from "./report-failure.ts";

/**
 * The result of `template` on standard output: of a single build a summary, of several a table, or one JSON document. What failed
 * is explained on standard error.
 *
 * @returns the highest exit status of what failed; 0 when nothing did.
 * @throws what a single build threw.
 */
export function printOutcomes(app: App, outcomes: readonly BuildOutcome[], asJson: boolean): number {
  const [only] = outcomes;
  if (outcomes.length === 1 && only?.outcome.kind === "failed") throw only.outcome.error;
  for (const { outcome } of outcomes) if (outcome.kind === "failed") reportFailure(app, outcome.error);
  const { redact } = createRedactor(secretsFromEnvironment(app.env));
  const results = outcomes.map((outcome) => matrixResult(outcome, redact));
  app.stdout.write(asJson ? `${JSON.stringify({ builds: results.map(jsonOf) })}\n` : `${textOf(app, results)}\n`);
  return worstExit(results);
}

/** A build's own record lies flat beside what the table says of it. */
function jsonOf({ build, ...result }: MatrixResult): object {
  return { ...result, ...build };
}

function textOf(app: App, results: readonly MatrixResult[]): string {
  const paint = streamPaint(app.stdout);
  // Absent, whatever its type says, for files and pipes.
  const columns = (app.stdout.columns as number | undefined) ?? FILE_COLUMNS;
  const [only] = results;
  if (results.length > 1 || !only?.build) return renderMatrix(results, { columns, paint, cwd: app.cwd });
  const summary = summaryOf(only.build, relative(app.cwd, only.build.folder));
  return renderSummary(summary, { width: Math.min(columns, MAX_COLUMNS), paint });
}

const FILE_COLUMNS = 100;
/** Texts are not set wider. */
const MAX_COLUMNS = 120;

function summaryOf({ record, base, verification, standing }: FinishedBuild, outDir: string): BuildSummary {
  const { disk, image, layered } = record;
  return {
    template: record.template,
    arch: record.platform.arch,
    outDir,
    standing,
    durationMs: base.durationMs + record.durationMs + (verification?.durationMs ?? 0),
    phases: [{ name: "base", ...base }, ...inOrder(record), ...verificationPhase(verification)],
    outputs: [
      { name: "disk", path: `${outDir}/${disk.file}`, bytes: disk.bytes, digest: disk.digest },
      ...(image
        ? [{ name: "image", path: `${outDir}/${image.folder}`, bytes: image.bytes, digest: image.digest }]
        : []),
      ...(layered
        ? [{ name: "layers", path: `${outDir}/${layered.folder}`, bytes: layered.bytes, digest: layered.digest }]
        : []),
    ],
    verification: verification && {
      ok: verification.ok,
      checks: verification.findings.length,
      findings: verification.findings,
    },
  };
}

/** More cached steps than this are counted, not named. */
const MOST_CACHED = 8;

/** What was in the store comes first; the other steps run after the machine has started and before everything else. */
function inOrder({ phases, steps }: FinishedBuild["record"]): BuildSummary["phases"] {
  const timed = phases.map((phase) => ({ ...phase, cached: false }));
  const started = timed.findLastIndex(({ name }) => name === "boot" || name === "restore") + 1;
  const all = steps.filter((step) => step.cached);
  const cached =
    all.length > MOST_CACHED ? [{ name: `${String(all.length)} steps`, durationMs: 0, cached: true }] : all;
  const run = steps.filter((step) => !step.cached);
  return [...cached, ...timed.slice(0, started), ...run, ...timed.slice(started)];
}

function verificationPhase(verification: FinishedBuild["verification"]): BuildSummary["phases"] {
  if (!verification) return [];
  return [{ name: `verify ${verification.suite}`, durationMs: verification.durationMs, cached: false }];
}
