import assert from "node:assert/strict";
import { renderChangelog, type Changelog } from "../../../src/cli/bump-changelog.ts";
import type { ReleaseChange } from "../../../src/cli/bump-releases.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { EMPTY_LOCK, type Lock } from "../../../src/core/lock.ts";
import { assertGolden } from "./bump-golden.ts";

const resolvedAt = "2026-01-02T03:04:05Z";

function image(content: string): Lock["containerImages"][string] {
  const digest = sha256(content);
  return { digest, platforms: { amd64: { manifest: digest, bytes: 1 } }, resolvedAt };
}

function set(versions: Readonly<Record<string, string>>): Lock["packages"][string][string] {
  const packages = Object.entries(versions).map(([name, version]) => {
    const url = `https://pkgs.example/${name}_${version}.deb`;
    return [name, { version, arch: "amd64", digest: sha256(name + version), bytes: 1, url }] as const;
  });
  return { wants: Object.keys(versions), recommends: false, packages: Object.fromEntries(packages), resolvedAt };
}

function cloud(build: string): Lock["cloudImages"][string] {
  const url = `https://cloud.example/${build}/debian-12-${build}.qcow2`;
  return { url, digest: sha256(build), source: `https://cloud.example/${build}/SHA512SUMS`, resolvedAt };
}

const KUBERNETES = "registry.k8s.io/kube-apiserver";
const BEFORE: Lock = {
  ...EMPTY_LOCK,
  cloudImages: { "debian-12-amd64": cloud("20260101") },
  packages: {
    "debian-12-amd64": {
      containerd: set({ containerd: "1.6.20~ds1-1+deb12u1", runc: "1.1.5+ds1-1" }),
      "kubernetes-1.37": set({ kubelet: "1.37.1-1.1" }),
      system: set({ "linux-image-cloud-amd64": "6.1.140-1", conntrack: "1:1.4.7-1+b2" }),
    },
  },
  files: { "https://pkgs.example/Release.key": { digest: sha256("key"), bytes: 1, resolvedAt } },
  manifests: {
    "https://raw.example/flannel.yml": { digest: sha256("flannel"), bytes: 1, images: ["a", "b"], resolvedAt },
  },
  containerImages: {
    [`${KUBERNETES}:v1.36.9`]: image("36.9"),
    [`${KUBERNETES}:v1.36.10`]: image("36.10"),
    "docker.io/flannel:v1": image("flannel 1"),
    "quay.io/gone:v1": image("gone"),
  },
};
const AFTER: Lock = {
  ...BEFORE,
  cloudImages: { "debian-12-amd64": cloud("20260201") },
  packages: {
    "debian-12-amd64": {
      containerd: set({ containerd: "1.6.20~ds1-1+deb12u2" }),
      "kubernetes-1.37": set({ kubelet: "1.37.2-1.1", runc: "1.1.5+ds1-1" }),
      system: set({ "linux-image-cloud-amd64": "6.1.147-1", conntrack: "1:1.4.7-1+b2" }),
    },
  },
  manifests: { "https://raw.example/flannel.yml": { digest: sha256("new"), bytes: 1, images: ["a"], resolvedAt } },
  containerImages: {
    [`${KUBERNETES}:v1.36.10`]: image("36.10"),
    [`${KUBERNETES}:v1.36.11`]: image("36.11"),
    "docker.io/flannel:v1": image("flannel 1 built again"),
  },
};

const FROM: ReleaseChange["to"] = {
  version: "1.37.1",
  pause: "3.10.2",
  etcd: "3.7.0-0",
  coreDns: "v1.14.6",
  criTools: "1.37.0",
  kubernetesCni: "1.9.1",
  kubeadmApi: "v1beta4",
  crio: "1.37",
};
const CHANGELOG: Changelog = {
  before: BEFORE,
  after: AFTER,
  versions: [
    { minor: "1.37", from: FROM, to: { ...FROM, version: "1.37.2", etcd: "3.7.1-0" } },
    { minor: "1.38", from: undefined, to: { ...FROM, version: "1.38.0", criTools: "1.38.0", crio: "1.38" } },
  ],
  plans: [
    { template: "k8s-1.37", arch: "amd64", from: sha256("a"), to: sha256("b") },
    { template: "k8s-1.38", arch: "amd64", from: undefined, to: sha256("c") },
    { template: "quickstart", arch: "amd64", from: sha256("q"), to: sha256("q") },
  ],
  newFiles: ["templates/k8s-1.38.ts"],
};

describe("the changelog of a bump", () => {
  it("fits a pull request: versions, kernel, packages, images, and which plans change", async () => {
    await assertGolden("changelog.md", renderChangelog(CHANGELOG));
  });

  it("without news says so, and which plans stay", async () => {
    const plans = CHANGELOG.plans.filter(({ from, to }) => from === to);
    const none = { before: BEFORE, after: BEFORE, versions: [], plans, newFiles: [] };
    await assertGolden("changelog-without-news.md", renderChangelog(none));
  });

  it("says nothing of a package that another step installs from now on", () => {
    assert.ok(!renderChangelog(CHANGELOG).includes("runc"));
  });

  it("keeps its tables whole, whatever is in their cells", () => {
    const entry = { digest: sha256("x"), bytes: 1, resolvedAt };
    const after: Lock = { ...BEFORE, files: { ...BEFORE.files, "https://a.example/?x=1|2": entry } };
    const text = renderChangelog({ ...CHANGELOG, after, versions: [], newFiles: [] });
    assert.ok(text.includes(String.raw`https://a.example/?x=1\|2`));
  });
});
