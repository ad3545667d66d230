import assert from "node:assert/strict";
import { renderSummary, type BuildSummary } from "../../../src/journal/summary.ts";

const summary: BuildSummary = {
  template: "quickstart",
  arch: "amd64",
  outDir: "out/quickstart/amd64",
  durationMs: 372_000,
  phases: [
    { name: "base", durationMs: 120, cached: true },
    { name: "steps", durationMs: 302_000, cached: false },
  ],
  outputs: [
    {
      name: "disk",
      path: "out/quickstart/amd64/disk.qcow2",
      bytes: 312 * 1024 ** 2,
      digest: `sha256:${"ab12".repeat(16)}`,
    },
    { name: "container disk", path: "/elsewhere/image", bytes: 1.7 * 1024 ** 3 },
  ],
  verification: { ok: true, checks: 9, findings: [] },
};

describe("rendered summary", () => {
  it("shows outputs, times, what was cached and what was verified", () => {
    assert.deepEqual(renderSummary(summary).split("\n"), [
      "✔ quickstart (amd64) built in 6 m 12 s, 1 of 2 phases cached",
      "",
      "  base      0.1 s  cached",
      "  steps  5 m 02 s",
      "",
      "out/quickstart/amd64",
      "  disk             312 MiB  ab12ab12ab12  disk.qcow2",
      "  container disk  1.70 GiB                /elsewhere/image",
      "",
      "✔ verified: 9 checks passed",
    ]);
  });

  it("names the checks that failed", () => {
    const findings = [
      { check: "boots", ok: true, detail: "fine" },
      { check: "no-failed-units", ok: false, detail: "systemd-networkd-wait-online.service" },
    ];
    const text = renderSummary({ ...summary, phases: [], verification: { ok: false, checks: 2, findings } });
    assert.match(text, /^✖ quickstart/);
    assert.match(text, /✖ 1 of 2 checks failed\n {2}no-failed-units: systemd-networkd-wait-online\.service$/);
  });

  it("says when nothing was verified", () => {
    assert.match(renderSummary({ ...summary, verification: undefined }), /! not verified$/);
  });
});
