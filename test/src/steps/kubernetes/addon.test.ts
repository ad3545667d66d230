import assert from "node:assert/strict";
import {
  addonImages,
  addonManifests,
  addonsInProfile,
  addonsOf,
  type AddonInput,
} from "../../../../src/steps/kubernetes/addon.ts";
import { assertGoldens, commandsOf, contentOf, debian } from "../golden.ts";

const THING: AddonInput = {
  name: "thing",
  version: "v1.2.0",
  manifests: [
    "https://example.org/thing/{version}/crds.yaml",
    {
      url: "https://example.org/thing/{version}/operator?raw",
      edits: [{ object: { kind: "Deployment", name: "thing" }, path: ["spec", "replicas"], value: 1 }],
    },
    { file: "class.yaml", content: "kind: StorageClass\nmetadata: { name: thing-{version} }\n" },
  ],
  images: ["example.org/thing/agent:{version}"],
  files: [{ file: "values.txt", content: "version {version}\n" }],
  commands: [["thingctl", "install", "--version={version}"]],
  programs: [{ name: "thingctl", url: "https://example.org/thing/{version}/thingctl-linux-{arch}.tar.gz" }],
  profiles: ["network"],
  ready: [{ kind: "DaemonSet", name: "thing", namespace: "things", condition: "Rollout", timeoutSeconds: 60 }],
};

describe("addon manifests", () => {
  it("are the ops of their golden files", () => {
    assertGoldens("addon-manifests", addonManifests([THING]));
  });

  it("stand in the order in which they are applied, the record beside their folder", () => {
    const { ops } = addonManifests([THING]);
    const record: unknown = JSON.parse(contentOf(ops(debian), "/etc/kubernetes/addons/thing.json"));
    assert.deepEqual(record, {
      formatVersion: 1,
      name: "thing",
      version: "v1.2.0",
      manifests: ["01-crds.yaml", "02-operator.yaml", "03-class.yaml"],
      commands: [["thingctl", "install", "--version=v1.2.0"]],
      ready: THING.ready,
    });
  });

  it("are nothing for no addons", () => {
    assert.deepEqual(addonManifests([]).ops(debian), []);
  });
});

describe("addon images", () => {
  const step = addonImages({ runtime: "containerd", addons: [THING], manifests: ["https://example.org/cni.yaml"] });

  it("are the ops of their golden files", () => {
    assertGoldens("addon-images", step);
  });

  it("join the list by their manifests; a manifest of one's own names them", () => {
    const load = step.ops(debian).find((op) => op.kind === "load-images");
    assert.deepEqual(load, {
      kind: "load-images",
      runtime: "containerd",
      images: ["example.org/thing/agent:v1.2.0"],
      manifests: [
        "https://example.org/cni.yaml",
        "https://example.org/thing/v1.2.0/crds.yaml",
        "https://example.org/thing/v1.2.0/operator?raw",
      ],
    });
  });

  it("come with the programs of the node's architecture", () => {
    const ops = step.ops({ ...debian, arch: "arm64" });
    const [fetch] = ops;
    assert.equal(
      fetch?.kind === "fetch-in" && fetch.url,
      "https://example.org/thing/v1.2.0/thingctl-linux-arm64.tar.gz",
    );
    assert.ok(commandsOf(ops).some((command) => command.endsWith("--directory=/usr/local/bin thingctl")));
  });

  it("load nothing where there is nothing", () => {
    assert.deepEqual(addonImages({ runtime: "cri-o", addons: [] }).ops(debian), []);
  });
});

describe("addons", () => {
  it("are of the profiles that they name, and all of full", () => {
    const addons = addonsOf([THING, { name: "other", version: "1" }]);
    const names = (profile: string): string[] => addonsInProfile(addons, profile).map(({ name }) => name);
    assert.deepEqual([names("slim"), names("network"), names("full")], [[], ["thing"], ["thing", "other"]]);
  });

  it("may be checked again", () => {
    assert.deepEqual(addonsOf(addonsOf([THING])), addonsOf([THING]));
  });

  const refused: readonly (readonly [string, readonly unknown[], RegExp])[] = [
    ["one that is there twice", [THING, THING], /1\.name: addon "thing" is there twice/],
    [
      "a manifest that is no URL",
      [{ ...THING, manifests: ["crds.yaml"] }],
      /0\.manifests\.0: an http or https URL is needed/,
    ],
    [
      "a manifest's URL with a password",
      [{ ...THING, manifests: ["https://me:secret@example.org/x.yaml"] }],
      /0\.manifests\.0/,
    ],
    [
      "a program's URL that is none",
      [{ ...THING, programs: [{ name: "x", url: "x-{arch}.tar.gz" }] }],
      /0\.programs\.0\.url/,
    ],
    ["an unknown key, with the nearest", [{ ...THING, image: [] }], /unknown key "image"; did you mean "images"\?/],
    ["one without a version", [{ name: "x" }], /0\.version: missing/],
    [
      "a wait without an end",
      [{ ...THING, ready: [{ kind: "A", name: "a", condition: "B" }] }],
      /0\.ready\.0\.timeoutSeconds: missing/,
    ],
  ];
  for (const [what, entries, message] of refused) {
    it(`refuse ${what}`, () => {
      assert.throws(() => addonsOf(entries as readonly AddonInput[]), { code: "template-invalid", message });
    });
  }
});
