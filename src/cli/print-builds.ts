import { relative } from "node:path";
import { streamPaint } from "../journal/paint.ts";
import { renderSummary, type BuildSummary } from "../journal/summary.ts";
import type { App } from "./app.ts";
import type { FinishedBuild } from "./build-setup.ts";

/** The result of `template` on standard output: a summary for people, or one JSON document. */
export function printBuilds(app: App, builds: readonly FinishedBuild[], asJson: boolean): void {
  if (asJson) {
    app.stdout.write(`${JSON.stringify({ builds })}\n`);
    return;
  }
  const options = { width: Math.min(app.stdout.columns || 100, 120), paint: streamPaint(app.stdout) };
  const texts = builds.map((build) => renderSummary(summaryOf(build, relative(app.cwd, build.folder)), options));
  app.stdout.write(`${texts.join("\n\n")}\n`);
}

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
