import assert from "node:assert/strict";
import { platformOf, type RootBase } from "../../../src/core/base.ts";
import { needsOf } from "../../../src/core/needs-of.ts";
import type { LoadImages } from "../../../src/core/op.ts";
import type { Plan } from "../../../src/core/plan.ts";
import type { Template } from "../../../src/core/template.ts";
import type { KubernetesRelease } from "../../../src/steps/kubernetes/kubernetes-version.ts";
import { ADDONS } from "../../../templates/kubernetes/addons/index.ts";
import { BASES, type NodeBaseName } from "../../../templates/kubernetes/bases.ts";
import { kubernetesNode, type NodeOptions } from "../../../templates/kubernetes/node.ts";
import { PROFILES, type ProfileName } from "../../../templates/kubernetes/profiles.ts";
import RELEASES from "../../../templates/kubernetes/versions.json" with { type: "json" };
import { planOfNode } from "./plan-of-node.ts";

const TABLE = RELEASES as Readonly<Record<string, KubernetesRelease>>;
const MINORS = Object.keys(RELEASES);
const BASE_NAMES = Object.keys(BASES) as NodeBaseName[];
const PROFILE_NAMES = Object.keys(PROFILES) as ProfileName[];

const NEXT: KubernetesRelease = {
  version: "1.38.0",
  pause: "3.10.2",
  etcd: "3.7.1-0",
  coreDns: "v1.15.0",
  criTools: "1.38.0",
  kubernetesCni: "1.10.0",
  kubeadmApi: "v1beta4",
  crio: "1.38",
};

describe("kubernetes node", () => {
  it("shares the layers of system and runtime among all minors, where they take the same containerd", () => {
    for (const base of ["fedora-43", "centos-10"] as const) {
      assert.equal(new Set(plansOf({ base }).map((plan) => keyAfter("runtime", plan))).size, 1);
    }
  });

  it("changes to Docker's containerd on Debian with 1.36, and shares the layers of the system all the same", () => {
    const plans = plansOf({ base: "debian-12" });
    const runtimes = plans.map((plan) => keyAfter("runtime", plan));
    assert.deepEqual(
      [new Set(runtimes.slice(0, 5)).size, new Set(runtimes.slice(5)).size, new Set(runtimes).size],
      [1, 1, 2],
    );
    assert.equal(new Set(plans.map((plan) => keyAfter("os", plan))).size, 1);
  });

  it("shares the layers of the system among minors and runtimes where CRI-O goes with the minor", () => {
    const plans = plansOf({ runtime: "cri-o" });
    assert.equal(new Set(plans.map((plan) => keyAfter("os", plan))).size, 1);
    assert.equal(keyAfter("os", at(plans, 0)), keyAfter("os", planOfNode(kubernetesNode("1.31"))));
    assert.equal(new Set(plans.map((plan) => keyAfter("runtime", plan))).size, MINORS.length);
  });

  it("differs between profiles in the last step only", () => {
    const slim = keysOf({ profile: "slim" });
    const last = PROFILE_NAMES.filter((profile) => profile !== "slim").map((profile) => {
      const keys = keysOf({ profile });
      assert.deepEqual(keys.slice(0, -1), slim);
      return keys.at(-1);
    });
    assert.equal(new Set(last).size, PROFILE_NAMES.length - 1);
  });

  it("differs between minors in their version data only", () => {
    const pairs = MINORS.slice(1).map((minor, index) => [at(MINORS, index), minor] as const);
    for (const runtime of ["containerd", "cri-o"] as const) {
      for (const [older, newer] of pairs) {
        assert.deepEqual(
          withoutVersions(newer, { base: "centos-10", runtime }),
          withoutVersions(older, { base: "centos-10", runtime }),
        );
      }
    }
  });

  it("is a whole plan for a minor that is one entry", () => {
    const template = kubernetesNode("1.38", { releases: { ...TABLE, "1.38": NEXT } });
    const plan = planOfNode(template);
    assert.equal(template.name, "k8s-1.38");
    assert.deepEqual(
      plan.disk.steps.map(({ name }) => name),
      namesLike(planOfNode(kubernetesNode("1.37")), "1.37.1", "1.38.0"),
    );
    const text = JSON.stringify(plan.disk.steps);
    for (const wanted of ["core:/stable:/v1.38/deb/", "kubelet=1.38.0-*", "etcd:3.7.1-0", "coredns:v1.15.0"]) {
      assert.ok(text.includes(wanted), wanted);
    }
    assert.doesNotMatch(text, /1\.37/);
  });

  it("is a whole plan for a pre-release: packages of the minor before, programs of its own", () => {
    const preRelease = { ...NEXT, version: "1.38.0-rc.1", criTools: "1.37.0" };
    const releases = { ...TABLE, "1.38": preRelease };
    const template = kubernetesNode("1.38", { releases, runtime: "cri-o" });
    assert.ok(
      planOfNode(template, "arm64").downloads.some(
        ({ url }) => url === "https://dl.k8s.io/release/v1.38.0-rc.1/bin/linux/arm64/kubelet",
      ),
    );
    const text = JSON.stringify(planOfNode(template).disk.steps);
    for (const wanted of ["kubelet=1.37.1-*", "kube-apiserver:v1.38.0-rc.1", "isv:/cri-o:/prerelease:/v1.38/deb/"]) {
      assert.ok(text.includes(wanted), wanted);
    }
  });

  it("has another name for every combination", () => {
    const names = combinations().map((options) => kubernetesNode("1.31", options).name);
    assert.equal(new Set(names).size, names.length);
    assert.equal(names.length, BASE_NAMES.length * 2 * 2 * PROFILE_NAMES.length);
    assert.deepEqual(
      MINORS.map((minor) => kubernetesNode(minor).name),
      MINORS.map((minor) => `k8s-${minor}`),
    );
    const other = { base: "centos-10", runtime: "cri-o", profile: "slim" } as const;
    assert.equal(kubernetesNode("1.31", other).name, "k8s-1.31-centos-10-cri-o-slim");
  });

  it("can be planned on every base, with every runtime, for both architectures", () => {
    for (const base of BASE_NAMES) {
      for (const runtime of ["containerd", "cri-o"] as const) {
        for (const minor of ["1.31", "1.37"]) {
          for (const arch of ["amd64", "arm64"] as const) {
            const plan = planOfNode(kubernetesNode(minor, { base, runtime }), arch);
            assert.deepEqual(
              [...new Set(plan.disk.steps.map((step) => step.phase))],
              ["os", "runtime", "kubernetes", "images", "addons"],
            );
          }
        }
      }
    }
  });

  it("refuses what is not there, with the nearest name", () => {
    const refused: readonly (readonly [string, object, RegExp])[] = [
      ["1.39", {}, /no Kubernetes "1\.39"; did you mean "1\.3\d"\?/],
      ["1.31", { base: "debian-21" }, /base: "debian-21" is not known here; did you mean "debian-12"\?/],
      ["1.31", { runtime: "crio" }, /runtime: "crio" is not known here; did you mean "cri-o"\?/],
      ["1.31", { profile: "strage" }, /profile: "strage" is not known here; did you mean "storage"\?/],
      ["1.31", { cni: "canal" }, /cni: "canal" is not known here/],
      [
        "1.31",
        { addons: [{ name: "x", version: "1", profiles: ["ful"] }] },
        /profile of x: "ful" is not known here; did you mean "full"\?/,
      ],
    ];
    for (const [minor, options, message] of refused) {
      assert.throws(() => kubernetesNode(minor, options), { code: "template-invalid", message });
    }
  });
});

describe("addons of kubernetes nodes", () => {
  it("bring their manifests into every image, and their images into those of their profiles", () => {
    const url = "https://example.org/releases/v1/thing.yaml";
    const entry = {
      name: "thing",
      version: "v1",
      manifests: [url],
      images: ["example.org/thing:{version}"],
      profiles: ["network"],
    };
    const addons = [...ADDONS, entry];
    const files = (profile: ProfileName): boolean =>
      JSON.stringify(planOfNode(kubernetesNode("1.31", { addons, profile }))).includes(
        "/etc/kubernetes/addons/thing/01-thing.yaml",
      );
    assert.ok(PROFILE_NAMES.every(files));
    const wanting = PROFILE_NAMES.filter((profile) => {
      const loads = loadsOf(kubernetesNode("1.31", { addons, profile }));
      return loads.some(({ manifests, images }) => manifests.includes(url) && images.includes("example.org/thing:v1"));
    });
    assert.deepEqual(wanting, ["network", "full"]);
  });

  it("are in no profile twice, and full has all of them", () => {
    const full = loadsOf(kubernetesNode("1.31")).flatMap(({ manifests }) => manifests);
    const all = ADDONS.flatMap(({ manifests = [] }) => manifests).filter((manifest) => typeof manifest === "string");
    for (const { version, manifests = [] } of ADDONS) {
      for (const manifest of manifests) {
        if (typeof manifest === "string") assert.ok(full.includes(manifest.replaceAll("{version}", version)), manifest);
      }
    }
    assert.equal(new Set(all).size, all.length);
  });

  it("say how to tell that they are ready", () => {
    assert.deepEqual(
      ADDONS.filter(({ ready = [] }) => ready.length === 0),
      [],
    );
  });
});

describe("needs of kubernetes nodes", () => {
  it("are signed repositories, whatever the base", () => {
    for (const base of BASE_NAMES) {
      const template = kubernetesNode("1.36", { base, runtime: "cri-o" });
      const needs = needsOf(template.steps, platformOf(template.base as RootBase, "amd64"));
      const repositories = needs.filter((need) => need.kind === "repository");
      assert.ok(repositories.length >= 2);
      assert.ok(repositories.every(({ signingKey }) => typeof signingKey === "object" && "url" in signingKey));
    }
  });
});

function plansOf(options: NodeOptions): readonly Plan[] {
  return MINORS.map((minor) => planOfNode(kubernetesNode(minor, options)));
}

function keyAfter(phase: string, plan: Plan): string | undefined {
  return plan.disk.steps.filter((step) => step.phase === phase).at(-1)?.key;
}

function keysOf(options: NodeOptions): string[] {
  return planOfNode(kubernetesNode("1.31", options)).disk.steps.map(({ key }) => key);
}

function namesLike(plan: Plan, older: string, newer: string): string[] {
  return plan.disk.steps.map(({ name }) => name.replace(older, newer));
}

/** What the steps do, line by line, with every string of the minor's entry taken out. */
function withoutVersions(minor: string, options: NodeOptions): readonly string[] {
  const template = kubernetesNode(minor, options);
  const platform = platformOf(template.base as RootBase, "amd64");
  const steps = template.steps.map((step) => [step.name, step.phase, step.ops(platform), step.needs?.(platform)]);
  const { version, etcd, coreDns, criTools, kubernetesCni } = at(TABLE, minor);
  const parts: readonly (readonly [RegExp, string])[] = [
    // Also the one that containerd is set up with before the version is known.
    [/pause:3\.[0-9.]+/g, "PAUSE"],
    [new RegExp(`etcd:${literal(etcd)}`, "g"), "ETCD"],
    [new RegExp(`coredns:${literal(coreDns)}`, "g"), "COREDNS"],
    [new RegExp(`(cri-tools[@-])${literal(criTools)}`, "g"), "$1CRITOOLS"],
    [new RegExp(`(kubernetes-cni[@-])${literal(kubernetesCni)}`, "g"), "$1CNI"],
    [new RegExp(`(?<![0-9.])${literal(version)}`, "g"), "VERSION"],
    [new RegExp(`(?<![0-9.])${literal(minor)}(?![0-9])`, "g"), "MINOR"],
  ];
  const text = JSON.stringify(steps, null, 1);
  return parts.reduce((sum, [from, to]) => sum.replace(from, to), text).split("\n");
}

function literal(text: string): string {
  return text.replaceAll(".", "\\.");
}

function combinations(): readonly NodeOptions[] {
  return BASE_NAMES.flatMap((base) =>
    (["containerd", "cri-o"] as const).flatMap((runtime) =>
      (["flannel", "calico"] as const).flatMap((cni) =>
        PROFILE_NAMES.map((profile) => ({ base, runtime, cni, profile })),
      ),
    ),
  );
}

function loadsOf(template: Template): readonly LoadImages[] {
  const platform = platformOf(template.base as RootBase, "amd64");
  return template.steps.flatMap((step) => step.ops(platform)).filter((op) => op.kind === "load-images");
}

function at<T>(from: readonly T[] | Readonly<Record<string, T>>, key: number | string): T {
  const value = (from as Readonly<Record<string, T>>)[key];
  assert.ok(value !== undefined);
  return value;
}
