import assert from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import {
  auditPolicy,
  kubeadmConfiguration,
  kubeletConfig,
  podSecurity,
  type KubeadmInput,
  type KubeletConfigInput,
} from "../../../../src/steps/index.ts";
import { contentOf, debian, fedora } from "../golden.ts";
import { v130, v131 } from "./samples.ts";

type Json = Record<string, unknown>;

const documents = (text: string): Json[] => [...parseAllDocuments(text)].map((document) => document.toJS() as Json);
const kubeadm = (input: Partial<KubeadmInput>, path: string, version = v131): Json[] =>
  documents(
    contentOf(
      kubeadmConfiguration(version, { runtime: "cri-o", ...input }).ops(fedora),
      `/etc/kubernetes/kubeadm/${path}`,
    ),
  );

describe("kubeadmConfiguration", () => {
  it("has an init configuration for each CNI and stack, and a join configuration for each stack", () => {
    const step = kubeadmConfiguration(v131, { runtime: "containerd", stacks: ["dual", "ipv6", "ipv4"] });
    const paths = step.ops(debian).map((op) => "path" in op && op.path);
    assert.deepEqual(
      paths,
      ["dual", "ipv6", "ipv4"].flatMap((stack) =>
        [`flannel-${stack}`, `calico-${stack}`, `join-${stack}`].map((name) => `/etc/kubernetes/kubeadm/${name}.yaml`),
      ),
    );
  });

  it("gives pods and services the ranges of KubeVirt's test clusters", () => {
    const networking = (path: string): unknown => kubeadm({}, path)[1]?.["networking"];
    assert.deepEqual(networking("flannel-dual.yaml"), {
      podSubnet: "10.244.0.0/16,fd10:244::/56",
      serviceSubnet: "10.96.0.0/12,fd10:96::/108",
    });
    assert.deepEqual(networking("calico-ipv6.yaml"), {
      podSubnet: "fd10:244::/112",
      serviceSubnet: "fd10:96::/108",
    });
  });

  it("holds no token", () => {
    for (const op of kubeadmConfiguration(v131, { runtime: "cri-o" }).ops(fedora)) {
      assert.ok(op.kind !== "write-file" || !/token/i.test(op.content));
    }
  });

  it("writes further flags as the version's API has them", () => {
    const input = { extraArguments: { etcd: { "unsafe-no-fsync": "true" } } };
    const etcd = (version: typeof v131): unknown => kubeadm(input, "flannel-dual.yaml", version)[1]?.["etcd"];
    assert.deepEqual(etcd(v131), {
      local: { dataDir: "/var/lib/etcd", extraArgs: [{ name: "unsafe-no-fsync", value: "true" }] },
    });
    assert.deepEqual(etcd(v130), { local: { dataDir: "/var/lib/etcd", extraArgs: { "unsafe-no-fsync": "true" } } });
  });

  it("mounts what audit and pod security read and write, and only when they are wanted", () => {
    const apiServer = (input: Partial<KubeadmInput>): unknown => kubeadm(input, "calico-dual.yaml")[1]?.["apiServer"];
    assert.deepEqual(apiServer({}), {});
    const text = JSON.stringify(apiServer({ audit: true, podSecurity: true }));
    for (const path of ["/etc/kubernetes/audit", "/var/log/k8s-audit", "/etc/kubernetes/pod-security.yaml"]) {
      assert.ok(text.includes(`"hostPath":"${path}"`), path);
    }
  });

  it("leaves the control plane open to pods unless told", () => {
    const taints = (input: Partial<KubeadmInput>): unknown =>
      (kubeadm(input, "flannel-dual.yaml")[0]?.["nodeRegistration"] as Json)["taints"];
    assert.deepEqual(taints({}), []);
    assert.equal(taints({ schedulable: false }), undefined);
  });

  it("patches for SELinux only where there is SELinux", () => {
    assert.deepEqual(kubeadm({}, "patches/etcd.yaml"), [
      { spec: { securityContext: { seLinuxOptions: { type: "spc_t" } } } },
    ]);
    for (const op of kubeadmConfiguration(v131, { runtime: "cri-o" }).ops(debian)) {
      assert.ok(op.kind !== "write-file" || !op.content.includes("patches"));
    }
  });

  it("refuses an unknown runtime and flags with dashes in front", () => {
    assert.throws(() => kubeadmConfiguration(v131, { runtime: "docker" as never }), { message: /runtime: "docker"/ });
    const extraArguments = { etcd: { "--unsafe-no-fsync": "true" } };
    assert.throws(() => kubeadmConfiguration(v131, { runtime: "cri-o", extraArguments }), { code: "template-invalid" });
  });
});

describe("kubeletConfig", () => {
  const config = (input: KubeletConfigInput = {}): Json =>
    parse(contentOf(kubeletConfig(input).ops(debian), "/etc/kubernetes/kubelet.conf.d/50-kvci-build.conf")) as Json;

  it("is where the flag of kubelet's unit says, per family", () => {
    const flag = 'KUBELET_EXTRA_ARGS="--config-dir=/etc/kubernetes/kubelet.conf.d"\n';
    assert.equal(contentOf(kubeletConfig().ops(debian), "/etc/default/kubelet"), flag);
    assert.equal(contentOf(kubeletConfig().ops(fedora), "/etc/sysconfig/kubelet"), flag);
  });

  it("lets kubelet run with swap and keeps images that came with the disk", () => {
    const { failSwapOn, imageGCHighThresholdPercent, cgroupDriver } = config();
    assert.deepEqual([failSwapOn, imageGCHighThresholdPercent, cgroupDriver], [false, 100, "systemd"]);
  });

  it("says whether images are pulled one after the other", () => {
    assert.equal(config({ parallelImagePulls: 1 })["serializeImagePulls"], true);
    const parallel = config({ parallelImagePulls: 5 });
    assert.deepEqual([parallel["serializeImagePulls"], parallel["maxParallelImagePulls"]], [false, 5]);
  });

  it("refuses what kubelet would not start with", () => {
    assert.throws(() => kubeletConfig({ cpuManagerPolicy: "static" }), { message: /static needs CPUs/ });
    assert.ok(kubeletConfig({ cpuManagerPolicy: "static", reservedSystemCpus: "0-1" }));
    assert.throws(() => kubeletConfig({ swapBehavior: "LimitedSwap", failSwapOn: true }), { message: /with swap/ });
  });
});

describe("auditPolicy and podSecurity", () => {
  it("log everything else only when asked", () => {
    const rules = (step: ReturnType<typeof auditPolicy>): unknown[] =>
      (parse(contentOf(step.ops(debian), "/etc/kubernetes/audit/policy.yaml")) as { rules: unknown[] }).rules;
    assert.equal(rules(auditPolicy()).length, 1);
    assert.deepEqual(rules(auditPolicy({ others: "Metadata" })).at(-1), {
      level: "Metadata",
      omitStages: ["RequestReceived"],
    });
  });

  it("enforce nothing but warn of everything, unless told", () => {
    const text = contentOf(podSecurity({ enforce: "restricted" }).ops(debian), "/etc/kubernetes/pod-security.yaml");
    assert.match(text, /^ +enforce: restricted$/m);
    assert.match(text, /^ +warn: restricted$/m);
    assert.throws(() => podSecurity({ exemptNamespaces: ["Kube"] }), { message: /a namespace such as/ });
  });
});
