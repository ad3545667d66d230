import { z } from "zod";
import { checkInput, InputError, recordOf, type InputIssue } from "../../core/input.ts";
import { didYouMean } from "../../core/near-name.ts";

const releaseSchema = recordOf({
  /** "1.31.14", or a pre-release: "1.38.0-rc.1". */
  version: z
    .string()
    .regex(
      /^1\.[0-9]+\.[0-9]+(?:-(?:alpha|beta|rc)\.[0-9]+)?$/,
      'a version such as "1.31.14" or "1.38.0-rc.1" is needed',
    ),
  /** Tag of registry.k8s.io/pause: "3.10". */
  pause: z.string().regex(/^3\.[0-9]+(?:\.[0-9]+)?$/, 'a tag of the pause image such as "3.10" is needed'),
  /** Tag of registry.k8s.io/etcd: "3.5.24-0". */
  etcd: z.string().regex(/^3\.[0-9]+\.[0-9]+-[0-9]+$/, 'a tag of the etcd image such as "3.5.24-0" is needed'),
  /** Tag of registry.k8s.io/coredns/coredns: "v1.11.3". */
  coreDns: z.string().regex(/^v1\.[0-9]+\.[0-9]+$/, 'a tag of the CoreDNS image such as "v1.11.3" is needed'),
  /** Version of the package cri-tools (crictl). A pre-release's is of the minor before: its packages come from there. */
  criTools: z.string().regex(/^1\.[0-9]+\.[0-9]+$/, 'a version such as "1.31.1" is needed'),
  /** Version of the package kubernetes-cni. */
  kubernetesCni: z.string().regex(/^1\.[0-9]+\.[0-9]+$/, 'a version such as "1.5.1" is needed'),
  /** The newest kubeadm API that this minor reads. */
  kubeadmApi: z.enum(["v1beta3", "v1beta4"]),
  /** CRI-O's stream, "1.31", or one version of it, "1.31.5". */
  crio: z.string().regex(/^1\.[0-9]+(?:\.[0-9]+)?$/, 'a stream such as "1.31" or a version such as "1.31.5" is needed'),
});
const releasesSchema = z.record(
  z.string().regex(/^1\.[0-9]+$/, 'a minor version such as "1.31" is needed'),
  releaseSchema,
);

/** One entry of `versions.json`: what cannot be derived from a minor. */
export type KubernetesRelease = Readonly<z.output<typeof releaseSchema>>;
type Releases = Readonly<Record<string, KubernetesRelease>>;

const WHAT = "kubernetesVersion";
const HINT = "See the table in templates/kubernetes/versions.json and docs/kubernetes.md.";

export function checkReleases(releases: unknown): Releases {
  return checkInput(releasesSchema, releases, { code: "template-invalid", what: WHAT, hint: HINT });
}

/** "1.31" is 31. */
function minorNumber(minor: string): number {
  return Number(minor.split(".")[1]);
}

/**
 * The entry of a minor, its parts compared with each other.
 *
 * @throws {InputError} `template-invalid`
 */
export function checkRelease(minor: string, releases: Releases): KubernetesRelease {
  const release = releases[minor];
  if (!release) throw complaint([{ path: [], message: unknownMinor(minor, Object.keys(releases)) }]);
  const issues = RULES.flatMap((rule) => {
    const { field, message } = rule(minor, release, releases) ?? {};
    return field === undefined || message === undefined ? [] : [{ path: [minor, field], message }];
  });
  if (issues.length > 0) throw complaint(issues);
  return release;
}

function complaint(issues: readonly InputIssue[]): InputError {
  return new InputError("template-invalid", WHAT, issues, HINT);
}

function unknownMinor(minor: string, known: readonly string[]): string {
  const near = didYouMean(minor, known) || `; known are ${known.join(", ")}`;
  return `there is no Kubernetes ${JSON.stringify(minor)}${near}`;
}

interface Mistake {
  readonly field: keyof KubernetesRelease;
  readonly message: string;
}
type Rule = (minor: string, release: KubernetesRelease, releases: Releases) => Mistake | undefined;

/** What does not exist together. */
const RULES: readonly Rule[] = [
  versionIsOfMinor,
  packagedMinorIsKnown,
  criToolsFit,
  crioFits,
  etcdFits,
  kubeadmApiFits,
];

function versionIsOfMinor(minor: string, { version }: KubernetesRelease): Mistake | undefined {
  if (isOf(minor, version)) return undefined;
  return { field: "version", message: `"${version}" is no version of ${minor}` };
}

function packagedMinorIsKnown(minor: string, { version }: KubernetesRelease, releases: Releases): Mistake | undefined {
  const previous = previousMinor(minor);
  if (!version.includes("-") || isStable(releases[previous])) return undefined;
  const message = `"${version}" is a pre-release: its packages are those of a stable ${previous}, which is not in the table`;
  return { field: "version", message };
}

function isStable(release: KubernetesRelease | undefined): boolean {
  return release !== undefined && !release.version.includes("-");
}

function criToolsFit(minor: string, { version, criTools }: KubernetesRelease): Mistake | undefined {
  const packaged = version.includes("-") ? previousMinor(minor) : minor;
  if (isOf(packaged, criTools)) return undefined;
  return { field: "criTools", message: `the packages of ${packaged} have no cri-tools "${criTools}"` };
}

/** The minor's own, or before a stable one there is, the minor's before: CRI-O may be one behind kubelet. */
function crioFits(minor: string, { version, crio }: KubernetesRelease): Mistake | undefined {
  if (isOf(minor, crio) || (version.includes("-") && isOf(previousMinor(minor), crio))) return undefined;
  return { field: "crio", message: `CRI-O "${crio}" is not of Kubernetes ${minor}: their minors go together` };
}

/** kubeadm of 1.34 was the first to bring etcd 3.6. */
function etcdFits(minor: string, { etcd }: KubernetesRelease): Mistake | undefined {
  const is35 = etcd.startsWith("3.5.");
  if (is35 === minorNumber(minor) < 34) return undefined;
  return {
    field: "etcd",
    message: `"${etcd}" is not of Kubernetes ${minor}: etcd is 3.5 until 1.33, and newer from 1.34 on`,
  };
}

/** v1beta4 came with kubeadm 1.31. */
function kubeadmApiFits(minor: string, { kubeadmApi }: KubernetesRelease): Mistake | undefined {
  const newest = minorNumber(minor) < 31 ? "v1beta3" : "v1beta4";
  if (kubeadmApi === newest) return undefined;
  return { field: "kubeadmApi", message: `"${kubeadmApi}" is not of Kubernetes ${minor}, whose kubeadm has ${newest}` };
}

export function previousMinor(minor: string): string {
  return `1.${String(minorNumber(minor) - 1)}`;
}

/** Whether a version, or a stream of versions, is of a minor. */
export function isOf(minor: string, version: string): boolean {
  return version === minor || version.startsWith(`${minor}.`);
}
