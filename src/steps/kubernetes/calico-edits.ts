import type { ManifestEdit } from "../../core/op.ts";
import { clusterNetwork, type Stack } from "./cluster-network.ts";
import { spcEdit } from "./selinux-edit.ts";

const NODE = { kind: "DaemonSet", name: "calico-node" };
const CONTROLLERS = { kind: "Deployment", name: "calico-kube-controllers" };
const POD = ["spec", "template", "spec"] as const;
const ENV = [...POD, "containers", { name: "calico-node" }, "env"] as const;

/**
 * Changes of Calico's calico.yaml (3.26 and newer), which as published is for IPv4 alone and has its images on Docker Hub,
 * where an unknown address may pull little.
 */
export function calicoEdits(version: string, stack: Stack): readonly ManifestEdit[] {
  return [
    networkConfig(version, stack),
    ...images(version),
    ...Object.entries(replacedSettings(stack)).map(([name, value]) => ({
      object: NODE,
      path: [...ENV, { name }, "value"],
      value,
    })),
    ...Object.entries(addedSettings(stack)).map(([name, value]) => ({
      object: NODE,
      path: [...ENV],
      value: { name, value },
      append: true,
    })),
    spcEdit("Deployment", CONTROLLERS.name),
  ];
}

const image = (name: string, version: string): string => `quay.io/calico/${name}:v${version}`;

/** What the edited manifest names. */
export function calicoImages(version: string): readonly string[] {
  return ["cni", "kube-controllers", "node"].map((name) => image(name, version));
}

/** By place, because the third one's name changed between versions (mount-bpffs, ebpf-bootstrap). */
function images(version: string): readonly ManifestEdit[] {
  return [
    ...["cni", "cni", "node"].map((name, index) => ({
      object: NODE,
      path: [...POD, "initContainers", index, "image"],
      value: image(name, version),
    })),
    { object: NODE, path: [...POD, "containers", { name: "calico-node" }, "image"], value: image("node", version) },
    {
      object: CONTROLLERS,
      path: [...POD, "containers", { name: "calico-kube-controllers" }, "image"],
      value: image("kube-controllers", version),
    },
  ];
}

/** What the manifest says already, otherwise. */
function replacedSettings(stack: Stack): Readonly<Record<string, string>> {
  if (stack === "ipv4") return {};
  const dual = { FELIX_IPV6SUPPORT: "true" };
  return stack === "dual" ? dual : { ...dual, IP: "none", CALICO_IPV4POOL_IPIP: "Never" };
}

function addedSettings(stack: Stack): Readonly<Record<string, string>> {
  const { pods } = clusterNetwork("calico", stack);
  const pools = pods.map((range) => [range.includes(":") ? "CALICO_IPV6POOL_CIDR" : "CALICO_IPV4POOL_CIDR", range]);
  return {
    ...(Object.fromEntries(pools) as Record<string, string>),
    // The pods' IPv6 addresses are unique local ones that nobody outside routes back to.
    ...(stack === "ipv4" ? {} : { IP6: "autodetect", CALICO_IPV6POOL_NAT_OUTGOING: "true" }),
    // BGP names routers by an IPv4 address; where there is none, a hash of the node's name does.
    ...(stack === "ipv6" ? { CALICO_ROUTER_ID: "hash" } : {}),
  };
}

/**
 * The template of the CNI configuration, in Calico's own words: `__CNI_MTU__` makes it no JSON until Calico has filled it
 * in, so it is put whole.
 */
function networkConfig(version: string, stack: Stack): ManifestEdit {
  const ipam = { type: "calico-ipam", assign_ipv4: String(stack !== "ipv6"), assign_ipv6: String(stack !== "ipv4") };
  const calico = {
    type: "calico",
    log_level: "info",
    log_file_path: "/var/log/calico/cni/cni.log",
    datastore_type: "kubernetes",
    nodename: "__KUBERNETES_NODE_NAME__",
    mtu: "__CNI_MTU__",
    ipam,
    // KubeVirt's masquerade binding routes between a pod's interfaces.
    container_settings: { allow_ip_forwarding: true },
    policy: { type: "k8s" },
    kubernetes: { kubeconfig: "__KUBECONFIG_FILEPATH__" },
  };
  const plugins = [
    calico,
    { type: "portmap", snat: true, capabilities: { portMappings: true } },
    ...(hasBandwidthPlugin(version) ? [{ type: "bandwidth", capabilities: { bandwidth: true } }] : []),
  ];
  const config = { name: "k8s-pod-network", cniVersion: "0.3.1", plugins };
  return {
    object: { kind: "ConfigMap", name: "calico-config" },
    path: ["data", "cni_network_config"],
    value: JSON.stringify(config, undefined, 2).replace('"__CNI_MTU__"', "__CNI_MTU__"),
  };
}

/** Part of 3.26. The newest ones bring no such plugin, and without it only the pods' bandwidth annotations go unheard. */
function hasBandwidthPlugin(version: string): boolean {
  return version.startsWith("3.26.");
}
