import { relative } from "node:path";
import { streamPaint } from "../journal/paint.ts";
import { renderSummary, type BuildSummary } from "../journal/summary.ts";
import type { App } from "./app.ts";
import type { FinishedBuild } from "./build.ts";

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

function summaryOf({ record, verification }: FinishedBuild, outDir: string): BuildSummary {
  const { disk, image } = record;
  const verified = verification && {
    name: `verify ${verification.suite}`,
    durationMs: verification.durationMs,
    cached: false,
  };
  return {
    template: record.template,
    arch: record.platform.arch,
    outDir,
    durationMs: record.durationMs + (verification?.durationMs ?? 0),
    phases: [
      ...record.phases.map(({ name, durationMs }) => ({ name, durationMs, cached: false })),
      ...record.steps.map(({ name, durationMs, cached }) => ({ name, durationMs, cached })),
      ...(verified ? [verified] : []),
    ],
    outputs: [
      { name: "disk", path: `${outDir}/${disk.file}`, bytes: disk.bytes, digest: disk.digest },
      ...(image
        ? [{ name: "image", path: `${outDir}/${image.folder}`, bytes: image.bytes, digest: image.digest }]
        : []),
    ],
    verification: verification && {
      ok: verification.ok,
      checks: verification.findings.length,
      findings: verification.findings,
    },
  };
}
