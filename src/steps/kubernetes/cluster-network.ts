import { z } from "zod";

export const cniName = z.enum(["flannel", "calico"]);
/** The pod networks that are known here. */
export type Cni = z.output<typeof cniName>;

export const stackName = z.enum(["dual", "ipv6", "ipv4"]);
/** Address families of pods and services: both, IPv6 only, or IPv4 only. The first two need a node with an IPv6 address. */
export type Stack = z.output<typeof stackName>;

export const cniNames = z.array(cniName).min(1, "name at least one CNI");
export const stackNames = z.array(stackName).min(1, "name at least one stack");
/** What KubeVirt's CI runs: everything on both, and one lane on IPv6 alone. */
export const DEFAULT_STACKS: readonly Stack[] = ["dual", "ipv6"];

/** Addresses of pods and services, and how large a part of the pods' each node gets. */
export interface ClusterNetwork {
  readonly pods: readonly string[];
  readonly services: readonly string[];
  /** Prefix length of a node's part; kubeadm's own default unless told. */
  readonly nodeMasks: { readonly ipv4?: number; readonly ipv6?: number };
}

const PODS_V4 = "10.244.0.0/16";
const SERVICES_V4 = "10.96.0.0/12";
/** A service range wider than /108 is refused by the API server. */
const SERVICES_V6 = "fd10:96::/108";

/**
 * Per CNI what differs. The controller manager refuses a node mask more than 16 bits longer than the pods' range. flannel
 * takes its node ranges from there, so there must be enough: 16 of them in IPv4, 65,536 in IPv6. Calico deals out addresses
 * by itself, and its ranges of nodes only have to exist.
 */
const BY_CNI = {
  flannel: { podsV6: "fd10:244::/56", nodeMasks: { ipv4: 20, ipv6: 72 } },
  calico: { podsV6: "fd10:244::/112", nodeMasks: { ipv6: 116 } },
};

/** Values of KubeVirt's test clusters: tests of theirs know them. */
export function clusterNetwork(cni: Cni, stack: Stack): ClusterNetwork {
  const { podsV6, nodeMasks } = BY_CNI[cni];
  const pick = <T>(v4: T, v6: T): readonly T[] => [
    ...(stack === "ipv6" ? [] : [v4]),
    ...(stack === "ipv4" ? [] : [v6]),
  ];
  const families = pick("ipv4", "ipv6");
  return {
    pods: pick(PODS_V4, podsV6),
    services: pick(SERVICES_V4, SERVICES_V6),
    nodeMasks: Object.fromEntries(Object.entries(nodeMasks).filter(([family]) => families.includes(family))),
  };
}

const FOLDER = "/etc/kubernetes";

/** Where the image has the manifests of a CNI. */
export function cniManifestPath(cni: Cni, stack: Stack): string {
  return `${FOLDER}/cni/${cni}-${stack}.yaml`;
}

/** flannel knows no network policies; this manifest brings them. */
export const NETWORK_POLICIES_PATH = `${FOLDER}/cni/kube-network-policies.yaml`;

/** Where the image has kubeadm's configuration of a new cluster. */
export function initConfigPath(cni: Cni, stack: Stack): string {
  return `${FOLDER}/kubeadm/${cni}-${stack}.yaml`;
}

/** Where it has what a joining node says of itself. */
export function joinConfigPath(stack: Stack): string {
  return `${FOLDER}/kubeadm/join-${stack}.yaml`;
}

/** Patches of the static pods, in the names that kubeadm knows. */
export const PATCHES_FOLDER = `${FOLDER}/kubeadm/patches`;
/** A patch of CoreDNS' deployment, for kubectl: kubeadm knows this target only since 1.32. */
export const COREDNS_PATCH = `${FOLDER}/kubeadm/coredns.yaml`;
