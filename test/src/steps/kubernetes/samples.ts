import type { Step } from "../../../../src/core/step.ts";
import type { AddonInput } from "../../../../src/steps/kubernetes/addon.ts";
import {
  kubernetesVersion,
  type KubernetesRelease,
  type KubernetesVersion,
} from "../../../../src/steps/kubernetes/kubernetes-version.ts";
import * as steps from "../../../../src/steps/index.ts";

const stable: KubernetesRelease = {
  version: "1.31.14",
  pause: "3.10",
  etcd: "3.5.24-0",
  coreDns: "v1.11.3",
  criTools: "1.31.1",
  kubernetesCni: "1.5.1",
  kubeadmApi: "v1beta4",
  crio: "1.31",
};

/** Not the project's own table: a bump there changes no golden of a step. */
export const v131: KubernetesVersion = kubernetesVersion("1.31", { "1.31": stable });

/** Of a minor that is not out yet: the packages are those of 1.31. */
export const preRelease: KubernetesVersion = kubernetesVersion("1.32", {
  "1.31": stable,
  "1.32": { ...stable, version: "1.32.0-rc.1", crio: "1.31" },
});

/** The newest whose kubeadm has the older API. */
export const v130: KubernetesVersion = kubernetesVersion("1.30", {
  "1.30": { ...stable, version: "1.30.14", criTools: "1.30.1", kubeadmApi: "v1beta3", crio: "1.30" },
});

export const addon: AddonInput = {
  name: "multus",
  version: "v4.1.4",
  manifests: ["https://manifests.example.org/{version}/multus.yaml"],
  ready: [
    { kind: "daemonset", name: "kube-multus-ds", namespace: "kube-system", condition: "Rollout", timeoutSeconds: 200 },
  ],
};

/** One of each step of Kubernetes. */
export const KUBERNETES_SAMPLES: Readonly<Record<string, Step>> = {
  "audit-policy": steps.auditPolicy(),
  "cluster-install": steps.clusterInstall({ runtime: "cri-o", addons: [addon] }),
  "cni-calico": steps.cniManifests({ cni: "calico" }),
  "cni-flannel": steps.cniManifests({ cni: "flannel", stacks: ["dual", "ipv6", "ipv4"] }),
  "container-images": steps.containerImages({
    name: "network",
    runtime: "containerd",
    images: ["registry.k8s.io/pause:3.10"],
    manifests: steps.cniImages({ cni: "flannel" }).manifests,
  }),
  crio: steps.crio({
    version: v131,
    insecureRegistries: ["registry:5000"],
    searchRegistries: ["quay.io", "docker.io"],
  }),
  "kubeadm-configuration": steps.kubeadmConfiguration(v131, { runtime: "cri-o", audit: true, podSecurity: true }),
  "kubeadm-configuration-v1beta3": steps.kubeadmConfiguration(v130, {
    runtime: "containerd",
    cnis: ["flannel"],
    stacks: ["ipv4"],
    extraArguments: { etcd: { "unsafe-no-fsync": "true" } },
  }),
  "kubelet-config": steps.kubeletConfig(),
  "kubelet-config-managers": steps.kubeletConfig({
    name: "60-managers",
    swapBehavior: "LimitedSwap",
    cpuManagerPolicy: "static",
    topologyManagerPolicy: "single-numa-node",
    topologyManagerScope: "pod",
    kubeReserved: { cpu: "500m" },
    systemReserved: { cpu: "500m", memory: "256Mi" },
    imageGcHighPercent: 70,
    parallelImagePulls: 4,
    maxPods: 250,
    featureGates: { NodeSwap: true },
  }),
  "kubernetes-packages": steps.kubernetesPackages(v131),
  "kubernetes-packages-pre-release": steps.kubernetesPackages(preRelease),
  "pod-security": steps.podSecurity(),
};
