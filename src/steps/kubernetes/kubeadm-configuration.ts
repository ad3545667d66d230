import type { ImageOp } from "../../core/op.ts";
import { writeFile } from "../../core/op-makers.ts";
import type { Platform } from "../../core/platform.ts";
import type { Step } from "../../core/step.ts";
import { checkStep } from "../step-input.ts";
import { yamlText } from "../yaml-text.ts";
import { COREDNS_PATCH, initConfigPath, joinConfigPath, PATCHES_FOLDER } from "./cluster-network.ts";
import { initDocuments, joinDocument } from "./kubeadm-documents.ts";
import { kubeadmSchema, type KubeadmInput, type KubeadmSettings } from "./kubeadm-schema.ts";
import type { KubernetesVersion } from "./kubernetes-version.ts";
import { SPC } from "./selinux-edit.ts";
import { versionSchema } from "./version-input.ts";

export type { KubeadmInput } from "./kubeadm-schema.ts";

/** As kubeadm names the targets of its patches. */
const STATIC_PODS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];

/**
 * Stores kubeadm's configurations in /etc/kubernetes/kubeadm: <cni>-<stack>.yaml for a new cluster and join-<stack>.yaml for
 * one that is there, in the API that the version's kubeadm reads, with patches for SELinux where there is SELinux.
 * `clusterInstall` uses them. They hold no token.
 *
 * @throws {InputError} `template-invalid`
 */
export function kubeadmConfiguration(version: KubernetesVersion, input: KubeadmInput): Step<ImageOp> {
  const checked = checkStep("kubeadmConfiguration", versionSchema, version);
  const settings = checkStep("kubeadmConfiguration", kubeadmSchema, input);
  return {
    name: "kubeadm-configuration",
    ops: (platform) => [...configurationOps(checked, settings, platform), ...patchOps(platform)],
  };
}

function configurationOps(
  version: KubernetesVersion,
  settings: KubeadmSettings,
  platform: Platform,
): readonly ImageOp[] {
  return settings.stacks.flatMap((stack) => {
    const input = { version, settings, platform, stack };
    return [
      ...settings.cnis.map((cni) => writeFile(initConfigPath(cni, stack), yamlText(...initDocuments(input, cni)))),
      writeFile(joinConfigPath(stack), yamlText(joinDocument(input))),
    ];
  });
}

function patchOps({ family }: Platform): readonly ImageOp[] {
  if (family === "apt") return [];
  const pod = yamlText({ spec: { securityContext: SPC } });
  return [
    ...STATIC_PODS.map((name) => writeFile(`${PATCHES_FOLDER}/${name}.yaml`, pod)),
    writeFile(COREDNS_PATCH, yamlText({ spec: { template: { spec: { securityContext: SPC } } } })),
  ];
}
