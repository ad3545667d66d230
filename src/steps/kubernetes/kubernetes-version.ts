import type { Arch } from "../../core/platform.ts";
import { checkRelease, checkReleases, isOf, previousMinor, type KubernetesRelease } from "./kubernetes-release.ts";

export type { KubernetesRelease } from "./kubernetes-release.ts";

/** A package repository with the key that signs it, as `packageRepository` takes it. */
export interface VersionedRepository {
  readonly name: string;
  readonly signingKey: { readonly url: string };
  readonly apt: {
    readonly uris: readonly string[];
    readonly suites: readonly string[];
    readonly components: readonly string[];
  };
  readonly dnf: { readonly baseUrl: string; readonly signedIndex: boolean };
}

/** Packages as `name@version`, per family; a version may end in `*`, which the lock fills in. */
export interface VersionedPackages {
  readonly apt: readonly string[];
  readonly dnf: readonly string[];
}

/** A program that replaces the one that a package brought. */
export interface ReleaseBinary {
  readonly name: string;
  readonly url: string;
}

/** Everything that follows from a Kubernetes minor: one value, so that no two places disagree. */
export interface KubernetesVersion {
  /** "1.31" */
  readonly minor: string;
  /** "1.31.14" or "1.38.0-rc.1" */
  readonly version: string;
  readonly preRelease: boolean;
  /** "v1beta4", behind `kubeadm.k8s.io/` */
  readonly kubeadmApi: KubernetesRelease["kubeadmApi"];
  readonly pauseImage: string;
  /** What `kubeadm config images list` prints, whole references. */
  readonly images: readonly string[];
  /** Kubernetes' own packages. Those of a pre-release are the previous minor's: pre-releases are not packaged. */
  readonly repository: VersionedRepository;
  readonly packages: VersionedPackages;
  readonly crioRepository: VersionedRepository;
  readonly crioPackages: VersionedPackages;
  /** Of a pre-release: kubeadm, kubelet and kubectl, which replace those of the packages. Else none. */
  readonly binaries: (arch: Arch) => readonly ReleaseBinary[];
}

const REGISTRY = "registry.k8s.io";
const CONTROL_PLANE = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"];
const PROGRAMS = ["kubeadm", "kubelet", "kubectl"];

/**
 * Derives from a minor ("1.31") and the table of releases every string that goes with it.
 *
 * @throws {InputError} `template-invalid`: an unknown minor, or an entry whose parts do not exist together.
 */
export function kubernetesVersion(
  minor: string,
  releases: Readonly<Record<string, KubernetesRelease>>,
): KubernetesVersion {
  const release = checkRelease(minor, checkReleases(releases));
  const { version, kubeadmApi, pause } = release;
  const preRelease = version.includes("-");
  const packaged = preRelease ? previousMinor(minor) : minor;
  return {
    minor,
    version,
    preRelease,
    kubeadmApi,
    pauseImage: `${REGISTRY}/pause:${pause}`,
    images: imagesOf(release),
    repository: repositoryOf("kubernetes", `https://pkgs.k8s.io/core:/stable:/v${packaged}`),
    packages: kubernetesPackages(release, preRelease ? releases[packaged]?.version : version),
    crioRepository: repositoryOf("cri-o", crioUrl(release.crio, preRelease && isOf(minor, release.crio))),
    crioPackages: bothFamilies([crioPackage(release.crio)]),
    binaries: (arch) => (preRelease ? binariesOf(version, arch) : []),
  };
}

function imagesOf({ version, coreDns, pause, etcd }: KubernetesRelease): readonly string[] {
  return [
    ...CONTROL_PLANE.map((name) => `${REGISTRY}/${name}:v${version}`),
    `${REGISTRY}/coredns/coredns:${coreDns}`,
    `${REGISTRY}/pause:${pause}`,
    `${REGISTRY}/etcd:${etcd}`,
  ];
}

/** The Open Build Service signs packages and indexes of one project with one key, for both families. */
function repositoryOf(name: string, url: string): VersionedRepository {
  return {
    name,
    signingKey: { url: `${url}/deb/Release.key` },
    apt: { uris: [`${url}/deb/`], suites: ["/"], components: [] },
    dnf: { baseUrl: `${url}/rpm/`, signedIndex: true },
  };
}

/** What stands behind the version is the packaging's revision ("-1.1", "-150500.1.1"): the lock's affair. */
function kubernetesPackages({ criTools, kubernetesCni }: KubernetesRelease, version = ""): VersionedPackages {
  return bothFamilies([
    ...PROGRAMS.map((name) => `${name}@${version}-*`),
    `cri-tools@${criTools}-*`,
    `kubernetes-cni@${kubernetesCni}-*`,
  ]);
}

/** Of a minor that is not out yet there are packages of the release branch. https://github.com/cri-o/packaging */
function crioUrl(crio: string, fromBranch: boolean): string {
  const stream = crio.split(".").slice(0, 2).join(".");
  return `https://download.opensuse.org/repositories/isv:/cri-o:/${fromBranch ? "prerelease" : "stable"}:/v${stream}`;
}

function crioPackage(crio: string): string {
  return crio.split(".").length === 2 ? `cri-o@${crio}.*` : `cri-o@${crio}-*`;
}

function bothFamilies(names: readonly string[]): VersionedPackages {
  return { apt: names, dnf: names };
}

function binariesOf(version: string, arch: Arch): readonly ReleaseBinary[] {
  return PROGRAMS.map((name) => ({ name, url: `https://dl.k8s.io/release/v${version}/bin/linux/${arch}/${name}` }));
}
