import { z } from "zod";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import type { ImageOp, LoadImages, ManifestEdit } from "../../core/op.ts";
import { fetchManifest } from "../../core/op-makers.ts";
import type { Step } from "../../core/step.ts";
import { checkStep } from "../step-input.ts";
import { calicoEdits, calicoImages } from "./calico-edits.ts";
import {
  cniManifestPath,
  cniName,
  DEFAULT_STACKS,
  NETWORK_POLICIES_PATH,
  stackNames,
  type Cni,
  type Stack,
} from "./cluster-network.ts";
import { flannelEdits } from "./flannel-edits.ts";

const version = z.string().regex(/^[0-9]+\.[0-9]+\.[0-9]+$/, 'a version such as "0.27.2" is needed');

const manifestsSchema = recordOf({
  cni: cniName,
  /** Default: dual-stack and IPv6-only; one manifest each. */
  stacks: stackNames.default([...DEFAULT_STACKS]),
  /** Of the CNI. Default: what KubeVirt's CI runs, flannel 0.27.2 and Calico 3.26.5. */
  version: version.optional(),
  /** Of kube-network-policies, which goes with flannel. */
  networkPoliciesVersion: version.default("0.7.0"),
});

export type CniManifestsInput = DeepReadonly<z.input<typeof manifestsSchema>>;

interface Source {
  readonly version: string;
  readonly url: (version: string) => string;
  readonly edits: (version: string, stack: Stack) => readonly ManifestEdit[];
  /** Where the edits change them: what the manifest names then. */
  readonly images?: (version: string) => readonly string[];
}

const SOURCES: Readonly<Record<Cni, Source>> = {
  flannel: {
    version: "0.27.2",
    url: (tag) => `https://github.com/flannel-io/flannel/releases/download/v${tag}/kube-flannel.yml`,
    edits: (_, stack) => flannelEdits(stack),
  },
  calico: {
    // 3.27 was tried by KubeVirt's CI and taken back: https://github.com/kubevirt/kubevirtci/pull/1300
    version: "3.26.5",
    url: (tag) => `https://raw.githubusercontent.com/projectcalico/calico/v${tag}/manifests/calico.yaml`,
    edits: calicoEdits,
    images: calicoImages,
  },
};

/**
 * Stores the manifests of a pod network, changed for the address families, as /etc/kubernetes/cni/<cni>-<stack>.yaml. For
 * flannel also kube-network-policies.yaml, as flannel has no network policies. `containerImages({ …cniImages(…) })` brings
 * their images, `networkManager()` keeps the node's network manager off their interfaces.
 *
 * @throws {InputError} `template-invalid`
 */
export function cniManifests(input: CniManifestsInput): Step<ImageOp> {
  const checked = checkStep("cniManifests", manifestsSchema, input);
  const { cni, stacks } = checked;
  const { edits } = SOURCES[cni];
  const tag = versionOf(checked);
  const [url, ...others] = urlsOf(checked);
  const ops = [
    ...stacks.map((stack) => fetchManifest(url, cniManifestPath(cni, stack), edits(tag, stack))),
    ...others.map((other) => fetchManifest(other, NETWORK_POLICIES_PATH)),
  ];
  return { name: `cni-${cni}`, ops: () => ops };
}

/**
 * The images of these manifests, as `containerImages` and `addonImages` take them: by the manifests that name them or, where
 * the stored manifest names others than the published one, by themselves.
 *
 * @throws {InputError} `template-invalid`
 */
export function cniImages(input: CniManifestsInput): Pick<LoadImages, "images" | "manifests"> {
  const checked = checkStep("cniImages", manifestsSchema, input);
  const images = SOURCES[checked.cni].images?.(versionOf(checked));
  return images ? { images, manifests: [] } : { images: [], manifests: urlsOf(checked) };
}

function urlsOf(checked: z.output<typeof manifestsSchema>): readonly [string, ...string[]] {
  const url = SOURCES[checked.cni].url(versionOf(checked));
  return checked.cni === "flannel" ? [url, networkPoliciesUrl(checked.networkPoliciesVersion)] : [url];
}

function versionOf({ cni, version: wanted }: z.output<typeof manifestsSchema>): string {
  return wanted ?? SOURCES[cni].version;
}

function networkPoliciesUrl(tag: string): string {
  return `https://raw.githubusercontent.com/kubernetes-sigs/kube-network-policies/v${tag}/install.yaml`;
}
