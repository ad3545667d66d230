import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import type { AwsTarget } from "../../../src/core/target.ts";
import { PHASES } from "../../../src/publish/phase.ts";
import type { PublishStep } from "../../../src/publish/step.ts";
import { diff } from "../../../publishers/aws/diff.ts";
import type { ImageState } from "../../../publishers/aws/image-state.ts";
import type { AwsState, RegionState } from "../../../publishers/aws/state.ts";
import { releaseBuild } from "../../src/publish/release-build.ts";
import { awsState, awsTarget, imageAs, planOf, regionState } from "./aws-state.ts";

const build = releaseBuild();
const plan = planOf(build);
const HOME = "us-east-1";

function steps(state: AwsState, target: AwsTarget = awsTarget(), smoke = false): readonly PublishStep[] {
  return diff([build], state, { target: { ...target, name: target.name }, smoke });
}

function kinds(list: readonly PublishStep[], place: string): string[] {
  return list.filter((step) => step.place === place).map(({ kind }) => kind);
}

/** A region that has the image, shared with those. */
function published(region: string, shared: readonly string[] = [], given: Partial<ImageState> = {}): RegionState {
  const image = imageAs(plan, given);
  return regionState(region, {
    images: [image],
    own: { [plan.name]: { image, launchers: shared, copiers: shared } },
  });
}

describe("AWS difference", () => {
  it("is everything, in order, where there is nothing", () => {
    const target = awsTarget({ public: true, regions: ["eu-west-1"], ssmPrefix: "/kvci" });
    const list = steps(awsState([regionState(HOME), regionState("eu-west-1")]), target, true);
    assert.deepEqual(kinds(list, HOME), [
      "upload-snapshot",
      "register-image",
      "verify-image",
      "smoke-test",
      "limit-image",
      "share-snapshot",
      "share-image",
      "set-parameter",
      "set-parameter",
    ]);
    assert.deepEqual(kinds(list, "eu-west-1"), [
      "copy-image",
      "verify-image",
      "limit-image",
      "share-snapshot",
      "share-image",
      "set-parameter",
      "set-parameter",
    ]);
    const ids = list.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const { needs, phase } of list) {
      for (const need of needs) {
        const before = list.find(({ id }) => id === need);
        assert.ok(before && PHASES.indexOf(before.phase) <= PHASES.indexOf(phase));
      }
    }
  });

  it("is nothing where everything is as it should be", () => {
    assert.deepEqual(steps(awsState([published(HOME)])), []);
    assert.deepEqual(steps(awsState([published(HOME, ["all"])]), awsTarget({ public: true })), []);
  });

  it("needs no upload for a snapshot that is complete", () => {
    const snapshot = { id: "snap-9", state: "completed", startedAt: "", volumeGiB: 1, encrypted: false };
    const home = regionState(HOME, { snapshots: [{ ...snapshot, tags: imageAs(plan).tags }] });
    const list = steps(awsState([home]));
    assert.ok(!kinds(list, HOME).includes("upload-snapshot"));
    const register = list.find(({ kind }) => kind === "register-image");
    assert.equal((register?.inputs as { readonly id: string }).id, "snap-9");
  });

  it("gives and takes permissions, and reads the image back before", () => {
    const list = steps(awsState([published(HOME, ["all"])]), awsTarget({ accounts: ["111111111111"] }));
    assert.deepEqual(kinds(list, HOME), ["verify-image", "share-snapshot", "share-image"]);
    const inputs = list.find(({ kind }) => kind === "share-image")?.inputs as Readonly<Record<string, unknown>>;
    assert.deepEqual([inputs["wanted"], inputs["former"]], [["111111111111"], ["all"]]);
  });

  it("deprecates releases before this one, and no others", () => {
    const other = (version: string, given: Partial<ImageState>) =>
      imageAs(planOf(releaseBuild({ version, content: sha256(version) })), { deprecatedAt: null, ...given });
    const former = other("0.9", { id: "ami-0", createdAt: "2026-01-01T00:00:00.000Z" });
    const newer = other("1.1", { id: "ami-2", createdAt: "2026-05-20T00:00:00.000Z" });
    const home = published(HOME);
    const list = steps(awsState([{ ...home, images: [...home.images, former, newer] }]));
    assert.deepEqual(kinds(list, HOME), ["deprecate-former"]);
    assert.deepEqual((list[0]?.inputs as { readonly former: unknown }).former, [{ id: "ami-0", deprecatedAt: null }]);
  });

  it("does not move the newest's pointer back to an old release", () => {
    const newer = imageAs(planOf(releaseBuild({ version: "1.1" })), { createdAt: "2026-05-20T00:00:00.000Z" });
    const home = published(HOME);
    const target = awsTarget({ ssmPrefix: "/kvci" });
    const list = steps(awsState([{ ...home, images: [...home.images, newer] }]), target);
    assert.deepEqual(
      list.filter(({ kind }) => kind === "set-parameter").map(({ id }) => id.split("/").at(-1)),
      ["set-parameter-version"],
    );
  });

  it("tries everything in a region that did not answer, and nothing in one that is not enabled", () => {
    const silent = regionState("eu-west-1", { required: false, problem: "no answer" });
    const closed = regionState("af-south-1", { optIn: "not-opted-in" });
    const list = steps(awsState([published(HOME), silent, closed]));
    assert.deepEqual(kinds(list, "eu-west-1"), ["copy-image", "verify-image", "limit-image", "deprecate-former"]);
    assert.ok(list.every(({ required }) => !required));
    assert.deepEqual(kinds(list, "af-south-1"), []);
  });

  it("refuses names that something else has, in all regions at once", () => {
    const stranger = imageAs(plan, { tags: {} });
    const regions = [HOME, "eu-west-1"].map((region) => regionState(region, { images: [stranger] }));
    assert.throws(
      () => steps(awsState(regions)),
      (error: { code: string; evidence: string[] }) => {
        assert.equal(error.code, "publish-conflict");
        return error.evidence.length === 2;
      },
    );
  });

  it("looks again at an image that is not as it should be", () => {
    const list = steps(awsState([published(HOME, [], { bootMode: "legacy-bios" })]));
    assert.deepEqual(kinds(list, HOME), ["verify-image"]);
  });

  it("has no steps without the region that blocks are sent to", () => {
    const state = awsState([regionState(HOME, { optIn: "not-opted-in" }), regionState("eu-west-1")]);
    assert.deepEqual(steps(state), []);
  });
});
