import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import { renderBuild, renderExtracted, renderLayout } from "../../../src/cli/render-inspection.ts";
import type { LayoutReport } from "../../../src/oci/inspect.ts";
import type { BuildRecord } from "../../../src/pipeline/build-record.ts";

const MIB = 1024 ** 2;
const step = (name: string): { name: string; key: ReturnType<typeof sha256> } => ({ name, key: sha256(name) });

const build = {
  template: "sample",
  platform: { distribution: "debian", release: "12", arch: "amd64" },
  planId: sha256("plan"),
  startedAt: "2026-11-20T00:00:00.000Z",
  durationMs: 1_000,
  base: { kind: "packages", digest: sha256("base") },
  accelerator: { name: "tcg" },
  steps: [],
  disk: { file: "disk.qcow2", digest: sha256("disk"), bytes: MIB, virtualBytes: 64 * MIB },
  packages: { count: 3 },
  tools: {},
} as unknown as BuildRecord;

const layered = {
  folder: "image",
  ref: "sample-layered",
  digest: sha256("manifest"),
  bytes: 9 * MIB,
  files: [
    { file: "base.qcow2", phase: "base", digest: sha256("1"), bytes: 5 * MIB, virtualBytes: 32 * MIB, steps: [] },
    {
      file: "10-node.qcow2",
      phase: "node",
      digest: sha256("2"),
      bytes: 3 * MIB,
      virtualBytes: 64 * MIB,
      steps: [step("containerd"), step("swap-off")],
    },
    { file: "disk.qcow2", phase: "seal", digest: sha256("3"), bytes: MIB, virtualBytes: 64 * MIB, steps: [] },
  ],
};

describe("rendered inspection", () => {
  it("shows the layers of a disk with their sizes and steps", () => {
    const lines = renderBuild({ ...build, layered }, []).split("\n");
    assert.ok(lines.some((line) => /^layered\s+sample-layered, 3 files, 9 MiB, sha256:/.test(line)));
    assert.deepEqual(lines.slice(lines.indexOf("layers of the disk, lowest first") + 1), [
      `  ${sha256("1").slice(7, 19)}       5 MiB  base.qcow2     base`,
      `  ${sha256("2").slice(7, 19)}       3 MiB  10-node.qcow2  node: containerd, swap-off`,
      `  ${sha256("3").slice(7, 19)}       1 MiB  disk.qcow2     seal`,
    ]);
  });

  it("says nothing of layers where there are none", () => {
    assert.equal(renderBuild(build, []).includes("layer"), false);
  });

  it("says of an image's layer what its file holds, and keeps control characters from the terminal", () => {
    const chain = { file: "disk.qcow2", phase: "node\x1b[2J", steps: [step("containerd")], virtualBytes: 64 * MIB };
    const layer = { digest: sha256("1"), mediaType: "tar", sizeBytes: MIB, annotations: {}, files: [], chain };
    const image = {
      digest: sha256("i"),
      mediaType: "m",
      platform: { os: "linux", arch: "amd64" },
      sizeBytes: MIB,
      config: { digest: sha256("c"), mediaType: "c", sizeBytes: 1 },
      labels: {},
      annotations: {},
      layers: [layer],
    };
    const report: LayoutReport = { folder: "image", verified: false, images: [image], others: [] };
    const text = renderLayout(report);
    assert.match(text, /^ {4}node.*: containerd \(a disk of 64 MiB\)$/m);
    assert.equal(text.includes("\x1b"), false);
  });

  it("tells where a disk was unpacked to", () => {
    const files = [
      { name: "base.qcow2", virtualBytes: 32 * MIB },
      { name: "disk.qcow2", virtualBytes: 64 * MIB },
    ];
    assert.equal(
      renderExtracted({ path: "/x/disk.qcow2", files, ref: "sample-layered" }),
      "extracted  /x/disk.qcow2, lowest file first:\n  base.qcow2, a disk of 32 MiB\n  disk.qcow2, a disk of 64 MiB",
    );
  });
});
