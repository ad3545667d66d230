import assert from "node:assert/strict";
import { PHASES } from "../../../src/publish/phase.ts";
import type { GcpTarget } from "../../../src/core/target.ts";
import { diffImage } from "../../../publishers/gcp/diff.ts";
import { imagePlanOf } from "../../../publishers/gcp/image-plan.ts";
import type { ImageState } from "../../../publishers/gcp/state.ts";
import { gcpTarget } from "./gcp-target.ts";
import { releaseBuild } from "../../src/publish/release-build.ts";

const build = releaseBuild({ version: "2" });
const plan = imagePlanOf(build, gcpTarget());
const nothing: ImageState = {
  name: plan.name,
  image: null,
  members: null,
  upload: null,
  export: null,
  former: [],
  familyImage: null,
};
const there: NonNullable<ImageState["image"]> = {
  selfLink: `projects/kvci-project/global/images/${plan.name}`,
  status: "READY",
  own: true,
  content: plan.content,
  state: "ACTIVE",
  family: "node-amd64",
  createdAt: "2026-01-01T00:00:00Z",
  smoke: true,
};

function kinds(state: Partial<ImageState>, given: Partial<GcpTarget> = {}, smoke = false): readonly string[] {
  const target = gcpTarget(given);
  const steps = diffImage(imagePlanOf(build, target), { ...nothing, ...state }, { target, smoke });
  const phases = steps.map(({ phase }) => PHASES.indexOf(phase));
  assert.deepEqual(
    phases,
    [...phases].sort((a, b) => a - b),
  );
  return steps.map(({ kind }) => kind);
}

describe("difference to what Google Cloud has", () => {
  it("is everything, public and pointers last, when there is nothing", () => {
    assert.deepEqual(kinds({ former: ["old"] }, { public: true, export: { object: "x", public: true } }, true), [
      "upload-tarball",
      "insert-image",
      "copy-export",
      "drop-upload",
      "verify-image",
      "smoke-test",
      "share-image",
      "share-export",
      "set-family",
      "deprecate-former",
    ]);
  });

  it("is nothing when all is there", () => {
    assert.deepEqual(kinds({ image: there, members: [] }, {}, true), []);
  });

  it("removes an upload that was left", () => {
    assert.deepEqual(kinds({ image: there, members: [], upload: { generation: "1", bytes: 1 } }), ["drop-upload"]);
  });

  it("takes rights away that are no longer declared", () => {
    const state = { image: there, members: ["allAuthenticatedUsers"] };
    assert.deepEqual(kinds(state), ["verify-image", "share-image"]);
  });

  it("leaves an image alone that a newer release took the place of", () => {
    const image = { ...there, state: "DEPRECATED", smoke: false, family: null };
    assert.deepEqual(kinds({ image, members: [], former: ["other"] }, {}, true), []);
  });

  it("waits for an image that is still being made", () => {
    assert.deepEqual(kinds({ image: { ...there, status: "PENDING" }, members: [] }), ["insert-image", "verify-image"]);
  });

  it("makes the tarball again for a release file that is asked for later", () => {
    const added = kinds({ image: there, members: [] }, { export: { object: "x", public: false } });
    assert.deepEqual(added, ["upload-tarball", "copy-export", "drop-upload"]);
  });

  it("refuses names that stand for something else", () => {
    assert.throws(() => kinds({ image: { ...there, own: false } }), { code: "publish-conflict" });
    const foreign = { generation: "1", own: false, content: null, public: false };
    const exporting = { export: { object: "x", public: false } };
    assert.throws(() => kinds({ export: foreign }, exporting), { code: "publish-conflict" });
  });
});
