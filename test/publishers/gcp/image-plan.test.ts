import assert from "node:assert/strict";
import { imagePlanOf, labelsOf, membersOf } from "../../../publishers/gcp/image-plan.ts";
import { gcpTarget } from "./gcp-target.ts";
import { releaseBuild } from "../../src/publish/release-build.ts";

describe("image plan of Google Cloud", () => {
  it("makes a name that Compute Engine takes", () => {
    const plan = imagePlanOf(releaseBuild({ template: "Node", version: "1.31.2+k3s_1" }), gcpTarget());
    assert.equal(plan.name, "node-1-31-2-k3s-1-amd64");
    assert.equal(plan.family, "node-amd64");
  });

  it("refuses names that are too long or end in a dash", () => {
    for (const version of ["1".repeat(60), "1.0-"]) {
      const target = gcpTarget({ imageName: "{template}-{version}" });
      assert.throws(() => imagePlanOf(releaseBuild({ version }), target), { code: "environment-invalid" });
    }
  });

  it("promises UEFI where the build boots by it, and only there", () => {
    const uefi = imagePlanOf(releaseBuild(), gcpTarget({ guestOsFeatures: ["GVNIC"] }));
    assert.deepEqual(uefi.settings.guestOsFeatures, ["GVNIC", "UEFI_COMPATIBLE"]);
    const bios = imagePlanOf(releaseBuild({ firmware: "bios" }), gcpTarget());
    assert.deepEqual(bios.settings.guestOsFeatures, ["GVNIC", "VIRTIO_SCSI_MULTIQUEUE"]);
    assert.notEqual(bios.attributes, imagePlanOf(releaseBuild(), gcpTarget()).attributes);
  });

  it("refuses machines that Google has not", () => {
    assert.throws(() => imagePlanOf(releaseBuild({ arch: "s390x" }), gcpTarget()), { code: "environment-invalid" });
    const arm = releaseBuild({ arch: "arm64", firmware: "bios" });
    assert.throws(() => imagePlanOf(arm, gcpTarget()), { code: "environment-invalid" });
  });

  it("does not depend on the order in which things are listed", () => {
    const one = gcpTarget({ licenses: ["projects/a/global/licenses/x", "projects/a/global/licenses/y"] });
    const other = gcpTarget({
      licenses: ["https://www.googleapis.com/compute/v1/projects/a/global/licenses/y", "projects/a/global/licenses/x"],
    });
    assert.equal(imagePlanOf(releaseBuild(), one).attributes, imagePlanOf(releaseBuild(), other).attributes);
  });

  it("has labels of at most 63 characters that Compute Engine takes", () => {
    const plan = imagePlanOf(releaseBuild({ version: "1.31.2" }), gcpTarget());
    for (const [key, value] of Object.entries(labelsOf(plan))) {
      assert.match(key, /^[a-z][a-z0-9_-]{0,62}$/);
      assert.match(value, /^[a-z0-9_-]{1,63}$/);
    }
  });

  it("gives two targets uploads of different names", () => {
    const [one, other] = ["gcp", "gcp-2"].map((name) => imagePlanOf(releaseBuild(), gcpTarget({ name })));
    assert.notEqual(one?.upload, other?.upload);
  });
});

describe("members of an image", () => {
  it("are everybody who has an account, when it is public", () => {
    assert.deepEqual(membersOf(gcpTarget({ public: true, members: ["user:b@example.org", "group:a@example.org"] })), [
      "allAuthenticatedUsers",
      "group:a@example.org",
      "user:b@example.org",
    ]);
  });

  for (const member of ["allUsers", "allAuthenticatedUsers", "somebody@example.org"]) {
    it(`are never ${member}`, () => {
      assert.throws(() => membersOf(gcpTarget({ members: [member] })), { code: "environment-invalid" });
    });
  }
});
