import type { Platform } from "../../core/platform.ts";
import { RUNTIMES } from "../container-runtime.ts";
import type { YamlValue } from "../yaml-text.ts";
import { AUDIT_FOLDER, AUDIT_POLICY } from "./audit-policy.ts";
import { clusterNetwork, PATCHES_FOLDER, type Cni, type Stack } from "./cluster-network.ts";
import type { KubeadmSettings } from "./kubeadm-schema.ts";
import type { KubernetesVersion } from "./kubernetes-version.ts";
import { POD_SECURITY } from "./pod-security.ts";

type Arguments = Readonly<Record<string, string>>;

/** What the documents of one cluster are made from. */
export interface KubeadmCase {
  readonly version: KubernetesVersion;
  readonly settings: KubeadmSettings;
  readonly platform: Platform;
  readonly stack: Stack;
}

/**
 * `kubeadm init`'s two documents. No token: kubeadm makes one, so that no two clusters share it, and cluster-install adds
 * the one that user data brings.
 */
export function initDocuments(input: KubeadmCase, cni: Cni): readonly YamlValue[] {
  const { version, settings, stack } = input;
  const taints = settings.schedulable ? { taints: [] } : {};
  return [
    {
      apiVersion: apiOf(version),
      kind: "InitConfiguration",
      // "::" lets kubeadm take the address of the default route's interface.
      ...(stack === "ipv6" ? { localAPIEndpoint: { advertiseAddress: "::", bindPort: 6443 } } : {}),
      nodeRegistration: { ...nodeRegistration(input), ...taints },
      ...patches(input),
      ...timeouts(version),
    },
    clusterDocument(input, cni),
  ];
}

/** `kubeadm join`'s document but for `discovery`, which says where to and with what secret: user data brings it. */
export function joinDocument(input: KubeadmCase): YamlValue {
  return {
    apiVersion: apiOf(input.version),
    kind: "JoinConfiguration",
    nodeRegistration: nodeRegistration(input),
    ...patches(input),
    ...timeouts(input.version),
  };
}

/** kubeadm's own is 4 minutes, which a node without KVM, or a host with many at once, does not make. */
const HEALTHY_WITHIN = "15m0s";

/** The API before has no such field: there it is the API server's, see `clusterDocument`. */
function timeouts({ kubeadmApi }: KubernetesVersion): Readonly<Record<string, YamlValue>> {
  if (kubeadmApi === "v1beta3") return {};
  return { timeouts: { controlPlaneComponentHealthCheck: HEALTHY_WITHIN, kubeletHealthCheck: HEALTHY_WITHIN } };
}

function apiOf({ kubeadmApi }: KubernetesVersion): string {
  return `kubeadm.k8s.io/${kubeadmApi}`;
}

function nodeRegistration({ version, settings, stack }: KubeadmCase): Readonly<Record<string, YamlValue>> {
  return {
    criSocket: RUNTIMES[settings.runtime].socket,
    // What is there is used; cluster-install makes sure that it is.
    imagePullPolicy: "IfNotPresent",
    ...(stack === "ipv6" ? { kubeletExtraArgs: extraArguments(version, { "node-ip": "::" }) } : {}),
  };
}

/** Only where SELinux is: the static pods mount files of the node, which it keeps from ordinary containers. */
function patches({ platform }: KubeadmCase): Readonly<Record<string, YamlValue>> {
  return platform.family === "dnf" ? { patches: { directory: PATCHES_FOLDER } } : {};
}

function clusterDocument({ version, settings, stack }: KubeadmCase, cni: Cni): YamlValue {
  const { pods, services } = clusterNetwork(cni, stack);
  const { etcd, scheduler } = settings.extraArguments;
  return {
    apiVersion: apiOf(version),
    kind: "ClusterConfiguration",
    kubernetesVersion: `v${version.version}`,
    networking: { podSubnet: pods.join(","), serviceSubnet: services.join(",") },
    apiServer: {
      ...component(version, apiServerArguments(settings, stack), apiServerVolumes(settings)),
      ...(version.kubeadmApi === "v1beta3" ? { timeoutForControlPlane: HEALTHY_WITHIN } : {}),
    },
    controllerManager: component(version, controllerManagerArguments(settings, cni, stack)),
    scheduler: component(version, { ...(stack === "ipv6" ? { "bind-address": "::1" } : {}), ...scheduler }),
    etcd: { local: { dataDir: "/var/lib/etcd", ...component(version, etcd) } },
  };
}

function apiServerArguments({ audit, podSecurity, extraArguments: extra }: KubeadmSettings, stack: Stack): Arguments {
  return {
    ...(stack === "ipv6" ? { "bind-address": "::" } : {}),
    ...(podSecurity ? { "admission-control-config-file": POD_SECURITY } : {}),
    ...(audit ? AUDIT_ARGUMENTS : {}),
    ...extra.apiServer,
  };
}

const AUDIT_LOG_FOLDER = "/var/log/k8s-audit";
const AUDIT_ARGUMENTS: Arguments = {
  "audit-policy-file": AUDIT_POLICY,
  "audit-log-path": `${AUDIT_LOG_FOLDER}/k8s-audit.log`,
  // MB and files: without a limit, the log of a long test run fills the disk.
  "audit-log-maxsize": "100",
  "audit-log-maxbackup": "2",
};

/** The API server is a pod: what it reads and writes on the node has to be mounted. */
function apiServerVolumes({ audit, podSecurity }: KubeadmSettings): readonly YamlValue[] {
  const readOnly = { readOnly: true };
  return [
    ...(podSecurity ? [{ ...volume("pod-security", POD_SECURITY, "File"), ...readOnly }] : []),
    ...(audit ? [{ ...volume("audit-policy", AUDIT_FOLDER, "Directory"), ...readOnly }] : []),
    ...(audit ? [volume("audit-log", AUDIT_LOG_FOLDER, "DirectoryOrCreate")] : []),
  ];
}

function volume(name: string, path: string, pathType: string): Readonly<Record<string, YamlValue>> {
  return { name, hostPath: path, mountPath: path, pathType };
}

function controllerManagerArguments({ extraArguments: extra }: KubeadmSettings, cni: Cni, stack: Stack): Arguments {
  const masks = Object.entries(clusterNetwork(cni, stack).nodeMasks);
  return {
    ...(stack === "ipv6" ? { "bind-address": "::" } : {}),
    ...Object.fromEntries(masks.map(([family, bits]) => [`node-cidr-mask-size-${family}`, String(bits)])),
    ...extra.controllerManager,
  };
}

function component(
  version: KubernetesVersion,
  args: Arguments,
  volumes: readonly YamlValue[] = [],
): Readonly<Record<string, YamlValue>> {
  return {
    ...(Object.keys(args).length > 0 ? { extraArgs: extraArguments(version, args) } : {}),
    ...(volumes.length > 0 ? { extraVolumes: volumes } : {}),
  };
}

/** v1beta4 made a list of the map that v1beta3 has. */
function extraArguments({ kubeadmApi }: KubernetesVersion, args: Arguments): YamlValue {
  if (kubeadmApi === "v1beta3") return args;
  return Object.entries(args).map(([name, value]) => ({ name, value }));
}
