import { CALICO, FLANNEL } from "../src/steps/kubernetes/manifests.ts";

/** Images of containers by the end of a manifest's URL; `{version}` is the tag that the URL has in it. */
const CONTAINERS: Readonly<Record<string, readonly string[]>> = {
  "kube-network-policies/v0.7.0/install.yaml": ["registry.k8s.io/networking/kube-network-policies:v0.7.0"],
  "kubevirt-operator.yaml": ["quay.io/kubevirt/virt-operator:{version}"],
  "kwok.yaml": ["registry.k8s.io/kwok/kwok:{version}"],
  "cdi-operator.yaml": ["quay.io/kubevirt/cdi-operator:{version}"],
  "setup-snapshot-controller.yaml": ["registry.k8s.io/sig-storage/snapshot-controller:{version}"],
  "examples/csi-operator.yaml": ["quay.io/cephcsi/ceph-csi-operator:v0.5.0"],
  "examples/operator.yaml": ["docker.io/rook/ceph:{version}"],
  "csi-nfs-controller.yaml": [
    "registry.k8s.io/sig-storage/csi-provisioner:v5.3.0",
    "registry.k8s.io/sig-storage/csi-resizer:v1.14.0",
    "registry.k8s.io/sig-storage/csi-snapshotter:v8.3.0",
    "registry.k8s.io/sig-storage/livenessprobe:v2.17.0",
    "registry.k8s.io/sig-storage/nfsplugin:{version}",
  ],
  "csi-nfs-node.yaml": [
    "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.15.0",
    "registry.k8s.io/sig-storage/nfsplugin:{version}",
  ],
  "multus-daemonset-thick.yml": ["ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick"],
  "whereabouts/v0.8.0/doc/crds/daemonset-install.yaml": ["ghcr.io/k8snetworkplumbingwg/whereabouts:{version}"],
  "cluster-network-addons-operator/releases/download/v0.100.0/operator.yaml": [
    "quay.io/kubevirt/cluster-network-addons-operator:{version}",
  ],
  "manifests/prometheusOperator-deployment.yaml": [
    "quay.io/prometheus-operator/prometheus-operator:v0.76.2",
    "quay.io/brancz/kube-rbac-proxy:v0.18.1",
  ],
  "manifests/grafana-deployment.yaml": ["docker.io/grafana/grafana:11.2.0"],
  "manifests/kubeStateMetrics-deployment.yaml": [
    "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.13.0",
    "quay.io/brancz/kube-rbac-proxy:v0.18.1",
  ],
  "manifests/nodeExporter-daemonset.yaml": [
    "quay.io/prometheus/node-exporter:v1.8.2",
    "quay.io/brancz/kube-rbac-proxy:v0.18.1",
  ],
};

/** Images that an operator is told by its environment. */
const TOLD: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "cluster-network-addons-operator/releases/download/v0.100.0/operator.yaml": {
    MULTUS_IMAGE: "ghcr.io/k8snetworkplumbingwg/multus-cni:v4.2.4",
    MULTUS_DYNAMIC_NETWORKS_CONTROLLER_IMAGE:
      "ghcr.io/k8snetworkplumbingwg/multus-dynamic-networks-controller:latest-amd64",
    LINUX_BRIDGE_IMAGE: "quay.io/kubevirt/cni-default-plugins:v1.7.1",
    LINUX_BRIDGE_MARKER_IMAGE: "quay.io/kubevirt/bridge-marker:0.13.0",
    KUBEMACPOOL_IMAGE: "quay.io/kubevirt/kubemacpool:v0.46.0",
    OVS_CNI_IMAGE: "ghcr.io/k8snetworkplumbingwg/ovs-cni-plugin:v0.37.0",
    MACVTAP_CNI_IMAGE: "quay.io/kubevirt/macvtap-cni:v0.12.2",
    KUBE_SECONDARY_DNS_IMAGE: "ghcr.io/kubevirt/kubesecondarydns:v0.0.18",
    CORE_DNS_IMAGE: "registry.k8s.io/coredns/coredns:v1.12.0",
    PASST_BINDING_CNI_IMAGE: "ghcr.io/kubevirt/passt-binding-cni:v1.5.2",
  },
};

/** `image` fields of objects of their operators. */
const RESOURCES: Readonly<Record<string, readonly [kind: string, image: string]>> = {
  "examples/cluster-test.yaml": ["CephCluster", "quay.io/ceph/ceph:v19.2.3"],
  "manifests/alertmanager-alertmanager.yaml": ["Alertmanager", "quay.io/prometheus/alertmanager:v0.27.0"],
  "manifests/prometheus-prometheus.yaml": ["Prometheus", "quay.io/prometheus/prometheus:v2.54.1"],
};

/** A manifest in the structure of the one that its project publishes there, as small as it can be. */
export function manifestAt(url: string): string {
  if (url.endsWith("/kube-flannel.yml")) return FLANNEL;
  if (url.endsWith("/calico.yaml")) return CALICO;
  const images = at(CONTAINERS, url)?.map((image) => image.replace("{version}", versionIn(url)));
  if (images) return workload(nameIn(url), images, Object.entries(at(TOLD, url) ?? {}));
  const resource = at(RESOURCES, url);
  return resource ? customResource(...resource) : nothingToRun(nameIn(url));
}

function versionIn(url: string): string {
  return /\/(v\d+\.\d+\.\d+)\//.exec(url)?.[1] ?? "";
}

function nameIn(url: string): string {
  const file = new URL(url).pathname.split("/").at(-1) ?? "";
  return file
    .replace(/\.ya?ml$/, "")
    .replace(/[^a-z0-9]+/gi, "-")
    .toLowerCase();
}

function customResource(kind: string, image: string): string {
  return [
    "apiVersion: example.org/v1",
    `kind: ${kind}`,
    "metadata: { name: main }",
    "spec:",
    `  image: ${image}`,
    "",
  ].join("\n");
}

function nothingToRun(name: string): string {
  return ["apiVersion: v1", "kind: ConfigMap", "metadata:", `  name: ${name}`, "data:", "  what: nothing", ""].join(
    "\n",
  );
}

function at<T>(table: Readonly<Record<string, T>>, url: string): T | undefined {
  return Object.entries(table).find(([end]) => url.endsWith(`/${end}`))?.[1];
}

function workload(name: string, images: readonly string[], told: readonly (readonly [string, string])[]): string {
  const env = told.flatMap(([variable, value]) => [`            - name: ${variable}`, `              value: ${value}`]);
  return [
    "apiVersion: apps/v1",
    "kind: Deployment",
    "metadata:",
    `  name: ${name}`,
    "spec:",
    "  template:",
    "    spec:",
    "      containers:",
    ...images.flatMap((image, index) => [
      `        - name: container-${String(index)}`,
      `          image: "${image}"`,
      ...(index === 0 && env.length > 0 ? ["          env:", ...env] : []),
    ]),
    "",
  ].join("\n");
}
