import {
  addonImages,
  addonManifests,
  addonsInProfile,
  addonsOf,
  auditPolicy,
  choice,
  clusterInstall,
  cniImages,
  cniManifests,
  containerImages,
  defineTemplate,
  files,
  kubeadmConfiguration,
  kubeletConfig,
  kubernetesPackages,
  kubernetesVersion,
  phase,
  podSecurity,
  type Addon,
  type AddonInput,
  type KubernetesRelease,
  type KubernetesVersion,
  type Step,
  type Template,
} from "kvci-build";
import { ADDONS } from "./addons/index.ts";
import { BASES, type NodeBase, type NodeBaseName } from "./bases.ts";
import { PROFILES, type ProfileName } from "./profiles.ts";
import { pauseImage, runtimeSteps, type Runtime } from "./runtimes.ts";
import { systemSteps } from "./system.ts";
import RELEASES from "./versions.json" with { type: "json" };

type Cni = "flannel" | "calico";

export interface NodeOptions {
  /** What it starts from. Default: "debian-12", which needs nothing but a package mirror. */
  readonly base?: NodeBaseName;
  /** Default: "containerd". */
  readonly runtime?: Runtime;
  /** Which addons' images are in the image. Default: "full". */
  readonly profile?: ProfileName;
  /** Network of the cluster that a node starts by itself; configurations for both are in the image. Default: "flannel". */
  readonly cni?: Cni;
  /** Default: `ADDONS`. */
  readonly addons?: readonly AddonInput[];
  /** Default: `versions.json`. */
  readonly releases?: Readonly<Record<string, KubernetesRelease>>;
}

const DEFAULTS = { base: "debian-12", runtime: "containerd", cni: "flannel", profile: "full" } as const;
const RUNTIMES: Readonly<Record<Runtime, Runtime>> = { containerd: "containerd", "cri-o": "cri-o" };
const CNIS: Readonly<Record<Cni, Cni>> = { flannel: "calico", calico: "flannel" };

/** As KubeVirt's CI has it: room for the images of all addons, and for ten local volumes of 4 GiB. */
const DISK_GIB = 64;

/**
 * A Kubernetes node of one minor version. Its name has what differs from the defaults: `k8s-1.31`,
 * `k8s-1.31-centos-10-cri-o-slim`.
 *
 * Phases share what they can: "os" is the same for all minors on a base, and so is "runtime" unless it goes with the minor;
 * profiles differ in "addons", the last one, only.
 *
 * @throws {InputError} `template-invalid`
 */
export function kubernetesNode(minor: string, options: NodeOptions = {}): Template {
  const chosen = { ...DEFAULTS, ...options };
  const base: NodeBase = choice("base", chosen.base, BASES);
  const part = partOf(minor, chosen);
  const { version, runtime, profile } = part;
  return defineTemplate({
    name: nameOf(minor, chosen),
    description: `Kubernetes ${version.version} on ${chosen.base} with ${runtime}; images: ${profile}`,
    arches: ["amd64", "arm64"],
    base: base.image,
    disk: { sizeGiB: DISK_GIB },
    machine: { memoryMiB: 4096, cpus: 2 },
    steps: [
      ...phase("os", systemSteps(base)),
      ...phase("runtime", runtimeSteps(runtime, version, base)),
      ...phase("kubernetes", kubernetesSteps(part)),
      ...phase("images", [clusterImages(part)]),
      ...phase("addons", addonSteps(part)),
    ],
    outputs: ["container-disk", "layered-disk"],
    labels: {
      "org.opencontainers.image.title": `Kubernetes ${version.version} node`,
      "org.opencontainers.image.version": version.version,
    },
  });
}

type Chosen = NodeOptions & Required<Pick<NodeOptions, keyof typeof DEFAULTS>>;

function partOf(minor: string, chosen: Chosen): Part {
  const addons = addonsOf(chosen.addons ?? ADDONS);
  for (const { name, profiles } of addons) profiles.forEach((each) => choice(`profile of ${name}`, each, PROFILES));
  // The compiler takes what the file has for less than it is: some text.
  const releases = chosen.releases ?? (RELEASES as Readonly<Record<string, KubernetesRelease>>);
  choice("profile", chosen.profile, PROFILES);
  return {
    version: kubernetesVersion(minor, releases),
    runtime: choice("runtime", chosen.runtime, RUNTIMES),
    cni: chosen.cni,
    otherCni: choice("cni", chosen.cni, CNIS),
    profile: chosen.profile,
    addons,
  };
}

/** What is not the default, in the order of the options. */
function nameOf(minor: string, chosen: Chosen): string {
  const others = (["base", "runtime", "cni", "profile"] as const)
    .filter((key) => chosen[key] !== DEFAULTS[key])
    .map((key) => chosen[key]);
  return ["k8s", minor, ...others].join("-");
}

/** The options, checked. */
interface Part {
  readonly version: KubernetesVersion;
  readonly runtime: Runtime;
  readonly cni: Cni;
  /** The network that the cluster is not started with. */
  readonly otherCni: Cni;
  readonly profile: ProfileName;
  readonly addons: readonly Addon[];
}

/** Packages first: what follows takes moments. Addons last: they change more often than the rest. */
function kubernetesSteps({ version, runtime, cni, addons }: Part): readonly Step[] {
  return [
    kubernetesPackages(version),
    ...pauseImage(runtime, version),
    kubeletConfig(),
    auditPolicy(),
    podSecurity(),
    cniManifests({ cni: "flannel" }),
    cniManifests({ cni: "calico" }),
    kubeadmConfiguration(version, { runtime, audit: true, podSecurity: true }),
    clusterInstall({ runtime, cni }),
    onlyWhenAsked(),
    addonManifests(addons),
  ];
}

/** A node whose user data says nothing of a cluster stays alone: who boots it decides what it becomes. */
function onlyWhenAsked(): Step {
  const asked = ["kvci-cluster", "kvci-init.yaml", "kvci-join.yaml"];
  const conditions = asked.map((name) => `ConditionPathExists=|/etc/kubernetes/${name}\n`);
  return files("cluster-install-when-asked", {
    "/etc/systemd/system/kvci-first-boot-cluster-install.service.d/10-when-asked.conf": `[Unit]\n${conditions.join("")}`,
  });
}

/** What a cluster of the version needs to come up, with its network. */
function clusterImages({ version, runtime, cni }: Part): Step {
  const { images, manifests } = cniImages({ cni });
  return containerImages({ name: "cluster", runtime, images: [...version.images, ...images], manifests });
}

/** The only step that a profile makes a difference to. */
function addonSteps({ profile, runtime, otherCni, addons }: Part): readonly Step[] {
  if (profile === "slim") return [];
  const network = profile === "network" || profile === "full" ? cniImages({ cni: otherCni }) : {};
  return [addonImages({ runtime, addons: addonsInProfile(addons, profile), ...network })];
}
