import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smokeTestFor } from "../../src/cli/cloud-smoke.ts";
import { verify } from "../../src/cli/commands/verify.ts";
import type { VerifyFlags } from "../../src/cli/flags.ts";
import { releaseBuilds, releasedBuilds } from "../../src/cli/release-builds.ts";
import { withSession, type Session } from "../../src/cli/session.ts";
import { KvciError } from "../../src/core/error.ts";
import { targetSchema, type AwsTarget } from "../../src/core/target.ts";
import { readVerification } from "../../verify/record.ts";
import type { Place } from "../../verify/place.ts";
import { startAws } from "../counterparts/aws/start-aws.ts";
import { capturedApp, restoreEnvironment, type CapturedApp } from "../src/cli/commands/captured-app.ts";
import { cliBuild } from "./publish-cli-build.ts";
import { writeFile } from "node:fs/promises";

const NOW = Date.parse("2026-11-20T12:00:00Z");

describe("builds to publish", () => {
  restoreEnvironment();
  let folder: string;
  let app: CapturedApp;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-release-"));
    await cliBuild({ folder: join(folder, "out/node/amd64") });
    await cliBuild({ folder: join(folder, "out/other/amd64"), template: "other", dataMiB: 1 });
  });
  after(() => rm(folder, { recursive: true }));
  beforeEach(() => {
    app = { ...capturedApp(join(folder, "store"), NOW), cwd: folder };
  });
  const within = <T>(work: (session: Session) => Promise<T>): Promise<T> =>
    withSession(app, { command: "test", json: true }, work);
  const builds = (named: readonly string[], version?: string) =>
    within((session) => releaseBuilds({ builds: named, out: "out", version }, session));

  it("are all below a folder unless some are named, with what is in them", async () => {
    const all = await builds([]);
    assert.deepEqual(
      all.map(({ template, arch, version }) => [template, arch, version.slice(0, 9)]),
      [
        ["node", "amd64", "20260102-"],
        ["other", "amd64", "20260102-"],
      ],
    );
    const [node] = await builds(["out/node/amd64"], "1.0");
    assert.equal(node?.version, "1.0");
    assert.equal(node.content, all[0]?.content);
    assert.notEqual(node.content, node.diskDigest);
    assert.deepEqual(node.labels, { os: "debian 12", kubernetes: "1.34.2-1.1", arch: "amd64" });
  });

  it("are not two of one template and architecture, and not nothing", async () => {
    await assert.rejects(builds(["out/node/amd64", "./out/node/amd64"]), { code: "usage" });
    await assert.rejects(builds(["nowhere"]), { code: "build-not-found" });
    const nothing = within((session) => releaseBuilds({ builds: [], out: "store", version: undefined }, session));
    await assert.rejects(nothing, { code: "build-not-found", message: /there is no build in/ });
  });

  it("are found again by what a ledger calls them", async () => {
    const found = await within((session) =>
      releasedBuilds(["node amd64 1.0", "node amd64 2.0", "gone amd64 1.0"], { out: "out", session }),
    );
    assert.deepEqual(
      found.map(({ template, version }) => [template, version]),
      [
        ["node", "1.0"],
        ["node", "2.0"],
      ],
    );
  });

  it("are booted where they were published to, and what was found is kept beside them", async () => {
    const place: Place = {
      name: "aws",
      clone: () =>
        Promise.reject(new KvciError("guest-not-ready", "it says nothing", { hint: "Look at its console." })),
    };
    const target = targetSchema.parse({ kind: "aws" }) as AwsTarget;
    await within(async (session) => {
      const [build] = await releaseBuilds({ builds: ["out/other/amd64"], out: "out", version: "1.0" }, session);
      assert.ok(build);
      const smoke = smokeTestFor(target, session, () => Promise.resolve(place));
      const { journal, signal } = session;
      await assert.rejects(smoke({ build, place: "us-east-1", image: "ami-1", journal, signal }), {
        code: "verification-failed",
        message: /^other amd64 fails on aws, suite boot: boots-by-firmware, /,
      });
      const results = await readVerification(build.folder, build.diskDigest);
      assert.deepEqual(
        results.map(({ place: where, ok }) => [where, ok]),
        [
          ["aws", false],
          ["qemu", true],
        ],
      );
      await rm(join(build.folder, "verification-boot-aws.json"));
    });
  });

  it("are looked for in the cloud that they are to be verified in", async () => {
    const text = 'import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment(';
    await writeFile(join(folder, "aws.ts"), `${text}{ publishTo: [{ kind: "aws" }] });\n`);
    const aws = await startAws();
    try {
      app = { ...app, env: { ...app.env, ...aws.env } };
      const on = (given: Partial<VerifyFlags>) =>
        verify(app, "out/node/amd64", { on: "aws", suite: "boot", env: "./aws.ts", ...given });
      await assert.rejects(on({}), {
        code: "build-not-found",
        message: /^aws has no image of node amd64 20260102-\w+ with this content$/,
      });
      await assert.rejects(on({ on: "gcp" }), { code: "usage", message: "the environment is no target of gcp" });
      await assert.rejects(on({ on: "aw" }), { code: "usage", message: /no place "aw" .*did you mean "aws"\?/ });
      await assert.rejects(on({ on: "qemu", image: "ami-1" }), { code: "usage" });
      assert.deepEqual(aws.mutatingCalls(), []);
    } finally {
      await aws.close();
    }
    assert.ok(!(await readdir(join(folder, "out/node/amd64"))).includes("verification-boot-aws.json"));
  });
});
