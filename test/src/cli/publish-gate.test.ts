import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordVerification } from "../../../verify/record.ts";
import { exposureFindings, verificationFindings, type Gate } from "../../../src/cli/publish-gate.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { targetSchema, type Target, type TargetInput } from "../../../src/core/target.ts";
import type { PublishPlan } from "../../../src/publish/plan.ts";
import type { PreflightFinding, ReleaseBuild } from "../../../src/publish/publisher.ts";
import { fakeStep } from "../../fakes/fake-publisher.ts";
import { releaseBuild } from "../publish/release-build.ts";

const target = (input: TargetInput): Target => targetSchema.parse(input);
const AWS = target({ kind: "aws" });
const PUBLIC_AWS = target({ kind: "aws", public: true });
const QUAY = target({ kind: "registry", repository: "quay.io/org/node", name: "quay" });
const GCP = target({ kind: "gcp", project: "kvci-project", bucket: "kvci-bucket", public: true });

describe("gate before publishing", () => {
  let folder: string;
  let build: ReleaseBuild;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-gate-"));
    build = releaseBuild({ folder });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const gate = (given: Partial<Gate> = {}): Gate => ({
    targets: [QUAY],
    boots: () => false,
    unverified: false,
    ...given,
  });
  const result = (place: string, ok: boolean, digest = build.diskDigest) =>
    recordVerification(folder, {
      formatVersion: 1,
      digest,
      suite: "boot",
      place,
      ok,
      startedAt: "2026-01-02T03:04:05.000Z",
      durationMs: 1,
      findings: [{ check: "boots", ok, detail: "", evidence: [], durationMs: 1 }],
    });
  const levels = async (given: Partial<Gate> = {}) =>
    (await verificationFindings([build], gate(given))).map(({ level, code }) => code ?? level);

  it("lets a build through whose very disk passed", async () => {
    await result("qemu", true);
    assert.deepEqual(await levels(), ["ok"]);
  });

  it("takes no notice of results for another disk", async () => {
    await result("qemu", true, sha256("another disk"));
    assert.deepEqual(await levels(), ["publish-unverified"]);
  });

  it("never lets a build through that failed, whatever else passed", async () => {
    await result("qemu", false);
    assert.deepEqual(await levels({ unverified: true }), ["publish-unverified"]);
  });

  it("holds a failure in a cloud against that cloud alone, unless it is booted there again", async () => {
    await result("qemu", true);
    await result("aws", false);
    assert.deepEqual(await levels(), ["ok"]);
    assert.deepEqual(await levels({ targets: [QUAY, AWS] }), ["publish-unverified"]);
    assert.deepEqual(await levels({ targets: [QUAY, AWS], boots: () => true }), ["ok"]);
  });

  it("lets a build without a result through where it is told to and nobody else looks", async () => {
    assert.deepEqual(await levels({ unverified: true }), ["warning"]);
    assert.deepEqual(await levels({ unverified: true, targets: [AWS, QUAY] }), ["warning"]);
    assert.deepEqual(await levels({ unverified: true, targets: [PUBLIC_AWS, QUAY] }), ["publish-unverified"]);
  });

  const plan = (place: string, findings: readonly PreflightFinding[] = []): PublishPlan => ({
    formatVersion: 1,
    id: sha256("plan"),
    subject: sha256("subject"),
    builds: [],
    targets: [],
    steps: ["aws", "gcp", "quay"].map((name) => fakeStep({ target: name, place, phase: "publish" })),
    findings,
  });

  it("refuses to show to everybody in a registry what was not verified", async () => {
    const seen: PreflightFinding = {
      ...{ target: "quay", place: "quay.io", level: "ok", check: "visibility", detail: "org/node: public" },
      seenByAll: true,
    };
    const unverified = await verificationFindings([build], gate({ unverified: true }));
    const [finding] = exposureFindings(plan("quay.io", [...unverified, seen]), gate());
    assert.deepEqual([finding?.code, finding?.place], ["publish-unverified", "quay.io"]);
    await result("qemu", true);
    const verified = await verificationFindings([build], gate({ unverified: true }));
    assert.deepEqual(exposureFindings(plan("quay.io", [...verified, seen]), gate()), []);
  });

  it("refuses to make public what is not booted first, and warns of sharing it", () => {
    const exposed = (targets: readonly Target[], boots = false) =>
      exposureFindings(plan("there"), gate({ targets, boots: () => boots })).map(({ level, hint }) => [level, hint]);
    assert.deepEqual(exposed([PUBLIC_AWS]), [["error", "Leave --no-smoke out."]]);
    assert.deepEqual(exposed([GCP]), [["error", "Give the target a smokeZone."]]);
    assert.deepEqual(exposed([target({ kind: "aws", accounts: ["210987654321"] })]), [["warning", undefined]]);
    assert.deepEqual(exposed([AWS, QUAY]), []);
    assert.deepEqual(exposed([PUBLIC_AWS, GCP], true), []);
  });
});
