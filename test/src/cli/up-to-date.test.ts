import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { standingBuild } from "../../../src/cli/up-to-date.ts";
import { version } from "../../../src/cli/version.ts";
import { sha256 } from "../../../src/core/digest.ts";
import type { VerificationResult } from "../../../src/core/finding.ts";
import { run } from "../../../src/core/op-makers.ts";
import type { Plan } from "../../../src/core/plan.ts";
import { resultId } from "../../../src/pipeline/build-template.ts";
import { recordVerification } from "../../../verify/record.ts";
import { plan, stepsOf } from "../core/arbitraries.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const HOUR_MS = 3_600_000;
const DISK = "disk";

describe("a build that stands", () => {
  let folder: string;
  const planned = plan({ steps: stepsOf([[run("a")], [run("b")]]) });
  const made: Plan = { ...planned, base: { ...planned.base, pinned: true } };

  /** A build's folder with all that is looked at. */
  const write = async (change: object = {}, by = version()): Promise<void> => {
    const { platform } = made.disk;
    const record = {
      schema: "kvci-build/build",
      version: 1,
      template: made.template,
      platform,
      planId: made.id,
      resultId: resultId(made, by),
      keyFormatVersion: 1,
      startedAt: new Date(NOW - HOUR_MS).toISOString(),
      durationMs: 1,
      base: { kind: "packages", digest: sha256("base"), image: {}, urls: [] },
      machine: made.machine,
      accelerator: { name: "tcg", reason: "a test" },
      phases: [],
      steps: [],
      traces: { publicKey: "key", machineId: "id" },
      disk: { file: "disk.qcow2", digest: sha256(DISK), bytes: DISK.length, virtualBytes: 1024 },
      image: { folder: "image", digest: sha256("image"), bytes: 1 },
      packages: { file: "packages.json", count: 0 },
      sbom: { file: "sbom.spdx.json" },
      tools: {},
      ...change,
    };
    await mkdir(join(folder, "image"), { recursive: true });
    await writeFile(join(folder, "disk.qcow2"), DISK);
    await writeFile(join(folder, "image/index.json"), "{}");
    await writeFile(join(folder, "build.json"), JSON.stringify(record));
  };
  /** Writes to a file after the build was finished. */
  const touch = async (name: string): Promise<void> => {
    const { mtimeMs } = await stat(join(folder, "build.json"));
    await utimes(join(folder, name), new Date(), new Date(mtimeMs + 5_000));
  };
  const stands = async (of: Plan = made): Promise<boolean> => (await standingBuild(folder, of, NOW)) !== undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-standing-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("is what the plan would make, by this kvci-build", async () => {
    assert.equal(await stands(), false);
    await write();
    assert.equal(await stands(), true);
    await write({}, "0.0.1-older");
    assert.equal(await stands(), false);
    await writeFile(join(folder, "build.json"), "{");
    assert.equal(await stands(), false);
  });

  it("has the plan's outputs, labels and steps", async () => {
    await write();
    assert.equal(await stands({ ...made, labels: { owner: "somebody" } }), false);
    assert.equal(await stands({ ...made, id: sha256("other steps") }), false);
    assert.equal(await stands({ ...made, outputs: [] }), false);
  });

  it("has the disk and the image that it made", async () => {
    await write();
    await touch("disk.qcow2");
    assert.equal(await stands(), false);
    await write();
    await touch("image/index.json");
    assert.equal(await stands(), false);
    await write({ disk: { file: "disk.qcow2", digest: sha256(DISK), bytes: 5, virtualBytes: 1024 } });
    assert.equal(await stands(), false);
    await write();
    await rm(join(folder, "disk.qcow2"));
    assert.equal(await stands(), false);
  });

  it("has no step that runs in every build, and none that is too old", async () => {
    await write();
    const withStep = (settings: object): Plan => {
      const steps = made.disk.steps.map((step) => ({ ...step, ...settings }));
      return { ...made, disk: { ...made.disk, steps } };
    };
    assert.equal(await stands(withStep({ volatile: true })), false);
    assert.equal(await stands(withStep({ maxAgeMs: HOUR_MS / 2 })), false);
    assert.equal(await stands(withStep({ maxAgeMs: HOUR_MS * 2 })), true);
  });

  it("does not stand on a base that is not made yet", async () => {
    await write();
    assert.equal(await stands({ ...made, base: { ...made.base, pinned: false } }), false);
  });

  it("comes with what was verified of its very disk, here", async () => {
    await write();
    const finding = { check: "boots", ok: true, detail: "yes", evidence: [], durationMs: 1 };
    const result: VerificationResult = {
      formatVersion: 1,
      digest: sha256(DISK),
      suite: "boot",
      place: "qemu",
      ok: true,
      startedAt: "2026-11-20T11:00:00.000Z",
      durationMs: 1,
      findings: [finding],
    };
    await recordVerification(folder, result);
    await recordVerification(folder, { ...result, suite: "node", digest: sha256("an earlier disk") });
    await recordVerification(folder, { ...result, suite: "kubevirt", place: "container" });
    const standing = await standingBuild(folder, made, NOW);
    assert.deepEqual([...(standing?.verifications ?? [])], [["boot", result]]);
  });
});
