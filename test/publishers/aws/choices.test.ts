import assert from "node:assert/strict";
import { BlockDigests } from "../../../publishers/aws/block-digests.ts";
import { supersededImages } from "../../../publishers/aws/garbage.ts";
import { mismatches, ownImage } from "../../../publishers/aws/image-state.ts";
import { assertDistinctParameters, parameterNames } from "../../../publishers/aws/parameters.ts";
import {
  copiers,
  launchers,
  permissionChanges,
  permissionName,
  permissionOf,
} from "../../../publishers/aws/permissions.ts";
import { chosenRegions } from "../../../publishers/aws/region-choice.ts";
import { releaseBuild } from "../../src/publish/release-build.ts";
import { awsTarget, imageAs, NOW, planOf } from "./aws-state.ts";

describe("AWS regions of a target", () => {
  const known = new Map([
    ["us-east-1", "opt-in-not-required"],
    ["eu-west-1", "opt-in-not-required"],
    ["eu-west-2", "opt-in-not-required"],
    ["af-south-1", "not-opted-in"],
  ]);
  const chosen = (given: Parameters<typeof awsTarget>[0]) =>
    chosenRegions(awsTarget(given), known).map(({ region, required }) => `${region}${required ? "" : "?"}`);

  it("begin with the one that blocks are sent to", () => {
    assert.deepEqual(chosen({ region: "eu-west-1" }), ["eu-west-1"]);
    assert.deepEqual(chosen({ regions: ["eu-west-1"], bestEffortRegions: ["eu-west-2"] }), [
      "us-east-1",
      "eu-west-1",
      "eu-west-2?",
    ]);
  });

  it("are all that are enabled, when that is said, less strict where best effort is", () => {
    assert.deepEqual(chosen({ regions: "all", bestEffortRegions: ["eu-west-1"] }), [
      "us-east-1",
      "eu-west-1?",
      "eu-west-2",
    ]);
  });

  it("keep what is named and cannot be used, for preflight to say", () => {
    const all = chosenRegions(awsTarget({ regions: ["af-south-1", "xx-nowhere-1"] }), known);
    assert.deepEqual(
      all.map(({ optIn }) => optIn),
      ["opt-in-not-required", "not-opted-in", "unknown"],
    );
  });
});

describe("AWS permissions", () => {
  it("are everybody, accounts, organisations and units; snapshots know the first two", () => {
    const unit = "arn:aws:organizations::1:ou/o-1/ou-1";
    const target = awsTarget({ public: true, accounts: ["111111111111"], organizations: [unit] });
    assert.deepEqual(launchers(target), ["111111111111", "all", unit]);
    assert.deepEqual(copiers(target), ["111111111111", "all"]);
    for (const name of launchers(target)) assert.equal(permissionName(permissionOf(name)), name);
  });

  it("change by what is missing and what is too much, at most 500 in a call", () => {
    assert.deepEqual(permissionChanges(["a", "b"], ["b", "a"]), []);
    assert.deepEqual(permissionChanges(["a", "b"], ["b", "c"]), [{ grant: ["c"], revoke: ["a"] }]);
    const many = Array.from({ length: 600 }, (_, index) => String(index));
    const calls = permissionChanges([], many);
    assert.ok(calls.every(({ grant, revoke }) => grant.length + revoke.length <= 500));
    assert.deepEqual(
      calls.flatMap(({ grant }) => grant),
      many,
    );
  });
});

describe("AWS parameters", () => {
  it("are of the version and of the newest", () => {
    assert.deepEqual(parameterNames(releaseBuild(), awsTarget({ ssmPrefix: "/kvci/{template}/" })), {
      version: "/kvci/node/1.0/amd64",
      latest: "/kvci/node/latest/amd64",
    });
    assert.equal(parameterNames(releaseBuild(), awsTarget()), undefined);
  });

  it("are not shared by two builds", () => {
    const builds = [releaseBuild(), releaseBuild({ template: "other" })];
    assert.throws(() => assertDistinctParameters(builds, awsTarget({ ssmPrefix: "/kvci" })), {
      code: "environment-invalid",
    });
    assertDistinctParameters(builds, awsTarget({ ssmPrefix: "/kvci/{template}" }));
  });
});

describe("AWS image", () => {
  const plan = planOf(releaseBuild());

  it("is the oldest of those that have name and tags", () => {
    const older = imageAs(plan, { id: "ami-9", createdAt: "2026-01-01T00:00:00.000Z" });
    const failed = imageAs(plan, { id: "ami-0", createdAt: "2025-01-01T00:00:00.000Z", state: "failed" });
    assert.equal(ownImage([imageAs(plan), older, failed, imageAs(plan, { tags: {} })], plan)?.id, "ami-9");
  });

  it("says what is not as it is wanted", () => {
    assert.deepEqual(mismatches(plan, imageAs(plan)), []);
    assert.deepEqual(mismatches(plan, imageAs(plan, { imds: null, tags: {} })), [
      "imds is null, not v2.0",
      "its tags are of another image",
    ]);
  });
});

describe("AWS retention", () => {
  const release = (version: string, deprecatedAt: string | null) =>
    imageAs(planOf(releaseBuild({ version })), {
      id: `ami-${version}`,
      createdAt: `2026-0${version}-01T00:00:00.000Z`,
      deprecatedAt,
    });
  const past = "2026-05-30T00:00:00.000Z";
  const images = [release("1", past), release("2", past), release("3", past), release("4", null)];
  const ids = (keep: number, latest: readonly string[] = []) =>
    supersededImages(images, { keep, latest: new Set(latest), now: NOW }).map(({ id }) => id);

  it("keeps the newest, the last few before it, and what a pointer names", () => {
    assert.deepEqual(ids(0), ["ami-3", "ami-2", "ami-1"]);
    assert.deepEqual(ids(2), ["ami-1"]);
    assert.deepEqual(ids(1, ["ami-2"]), ["ami-1"]);
  });

  it("leaves alone what is not superseded yet", () => {
    const early = supersededImages(images, { keep: 0, latest: new Set(), now: Date.parse("2026-05-01T00:00:00Z") });
    assert.deepEqual(early, []);
  });
});

describe("block digests", () => {
  it("know which blocks have data and whether it is the same", () => {
    const digests = new BlockDigests();
    digests.set(5, Buffer.alloc(32, 7));
    const again = new BlockDigests(digests.toBuffer());
    assert.deepEqual([again.has(5), again.has(4), again.has(500)], [true, false, false]);
    assert.ok(again.isSame(5, Buffer.alloc(32, 7)));
    assert.ok(!again.isSame(5, Buffer.alloc(32, 8)));
    assert.ok(!again.isSame(500, Buffer.alloc(32, 8)));
  });
});
