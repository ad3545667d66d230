import assert from "node:assert/strict";
import type { FinishedBuild } from "../../../src/cli/build-setup.ts";
import { matrixResult, worstExit, type MatrixResult } from "../../../src/cli/matrix-result.ts";
import { renderMatrix } from "../../../src/cli/matrix-table.ts";
import { buildJobs } from "../../../src/cli/matrix-jobs.ts";
import { FailedBuild } from "../../../src/cli/report-failure.ts";
import type { Outcome } from "../../../src/cli/matrix-run.ts";
import { KvciError } from "../../../src/core/error.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { plainPaint } from "../../../src/journal/paint.ts";
import { textWidth } from "../../../src/journal/text-width.ts";
import { plannedOf } from "./planned.ts";

const IMAGE = sha256("image");

function built(name: string, more: { readonly standing?: boolean; readonly ok?: boolean } = {}): FinishedBuild {
  const { standing = false, ok = true } = more;
  const finding = { check: "kernel", ok, detail: "5.10 is too old", evidence: [], durationMs: 1 };
  return {
    folder: `/work/out/${name}/amd64`,
    standing,
    base: { durationMs: 0, cached: true },
    record: {
      steps: ["a", "b", "c"].map((step) => ({ name: step, cached: step === "a", durationMs: 1, key: IMAGE })),
      disk: { bytes: 327_155_712 },
      image: { digest: IMAGE },
    } as unknown as FinishedBuild["record"],
    verification: { ok, suite: "boot", findings: [finding] } as unknown as FinishedBuild["verification"],
  };
}

function result(name: string, outcome: Outcome<FinishedBuild>, durationMs = 123_000): MatrixResult {
  const [job] = buildJobs([plannedOf(name, ["a", "b", "c"])], { shared: true });
  assert.ok(job);
  return matrixResult({ job, durationMs, outcome }, (text) => text.replaceAll("secret", "***"));
}

const BROKEN = new FailedBuild(
  new KvciError("command-failed", 'step "containerd": apt-get with secret exited 100', { hint: "Look." }),
  { logs: [{ what: "journal", path: "/work/out/k8s-1.33/amd64.logs/journal.jsonl" }] },
);
const RESULTS = [
  result("k8s-1.31", { kind: "done", value: built("k8s-1.31") }),
  result("k8s-1.32", { kind: "done", value: built("k8s-1.32", { standing: true }) }, 900),
  result("k8s-1.33", { kind: "failed", error: BROKEN }, 41_200),
  result("k8s-1.33-slim", { kind: "not-begun", because: "k8s-1.33 amd64" }),
  result("k8s-1.34", { kind: "done", value: built("k8s-1.34", { ok: false }) }),
  result("k8s-1.35", { kind: "not-begun", because: undefined }),
];

function shown(columns: number): string {
  return renderMatrix(RESULTS, { columns, paint: plainPaint, cwd: "/work" });
}

describe("the table of several builds", () => {
  const short = IMAGE.slice("sha256:".length, "sha256:".length + 12);

  it("has in 80 columns all but the folders, then what failed with its logs, then how many of each", () => {
    assert.equal(
      shown(80),
      `   TEMPLATE       ARCH   RESULT         TIME  CACHED     DISK  IMAGE
✔  k8s-1.31       amd64  built      2 m 03 s     1/3  312 MiB  ${short}
✔  k8s-1.32       amd64  cached        0.9 s     3/3  312 MiB  ${short}
✖  k8s-1.33       amd64  failed       41.2 s
–  k8s-1.33-slim  amd64  not built
✖  k8s-1.34       amd64  failed     2 m 03 s     1/3  312 MiB  ${short}
–  k8s-1.35       amd64  not built

✖ k8s-1.33 (amd64): command-failed: step "containerd": apt-get with *** exited
  100
  journal  out/k8s-1.33/amd64.logs/journal.jsonl
– k8s-1.33-slim (amd64): based on k8s-1.33 amd64
✖ k8s-1.34 (amd64): verification-failed: 1 of 1 checks of suite boot failed
  kernel: 5.10 is too old
– k8s-1.35 (amd64): stopped before it was begun

1 built, 1 cached, 2 failed, 2 not built`,
    );
  });

  it("has in 160 columns the folders, too", () => {
    const [head = "", first = ""] = shown(160).split("\n");
    assert.match(head, /IMAGE +FOLDER$/);
    assert.match(first, /out\/k8s-1\.31\/amd64$/);
  });

  it("gives up columns where it is too narrow for all, never the result", () => {
    const lines = shown(50).split("\n").slice(0, 7);
    assert.ok(
      lines.every((line) => textWidth(line) <= 50),
      lines.join("\n"),
    );
    assert.match(lines[0] ?? "", /TEMPLATE +ARCH +RESULT +TIME$/);
    assert.match(shown(10).split("\n")[0] ?? "", /RESULT +TIME$/);
  });

  it("marks failures in colour without moving a column", () => {
    const paint = (style: string, text: string): string => `<${style}>${text}</${style}>`;
    const text = renderMatrix(RESULTS, { columns: 80, paint, cwd: "/work" });
    assert.match(text, /^<red>✖<\/red> {2}k8s-1\.33 /m);
    assert.equal(text.replaceAll(/<[^>]+>/g, ""), shown(80));
  });
});

describe("the exit status of several builds", () => {
  it("is the highest of those that failed", () => {
    assert.equal(worstExit(RESULTS), 7);
    assert.equal(worstExit(RESULTS.slice(0, 4)), 6);
    assert.equal(worstExit(RESULTS.slice(0, 2)), 0);
  });
});
