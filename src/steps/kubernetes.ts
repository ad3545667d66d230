import { z } from "zod";
import { recordOf, type DeepReadonly } from "../core/input.ts";
import type { ImageOp } from "../core/op.ts";
import type { Step } from "../core/step.ts";
import { kernelModules } from "./kernel-modules.ts";
import { installPackages } from "./packages.ts";
import { checkStep } from "./step-input.ts";
import { sysctls } from "./sysctls.ts";

const prerequisitesSchema = recordOf({
  /** Connections the kernel tracks at most. Default: one million, what KubeVirt's own test clusters use. */
  maxTrackedConnections: z.int().min(1).default(1_000_000),
});

export type KubernetesNodePrerequisitesInput = DeepReadonly<z.input<typeof prerequisitesSchema>>;

/** What kubeadm's preflight asks for and kube-proxy and port-forward call. */
const PACKAGES = {
  apt: ["conntrack", "ethtool", "iproute2", "iptables", "kmod", "socat"],
  dnf: ["conntrack-tools", "ethtool", "iproute", "iproute-tc", "iptables-nft", "kmod", "socat"],
};

/** nf_conntrack is loaded early because its sysctl exists only then. */
const MODULES = ["overlay", "br_netfilter", "nf_conntrack"];

/**
 * What a machine needs before kubelet: packages, kernel modules and sysctls. Swap is a step of its own, `swapOff`.
 * On CentOS Stream br_netfilter is in `kernel-modules-extra`, which must fit the kernel: install it beside the kernel.
 *
 * @throws {InputError} `template-invalid`
 */
export function kubernetesNodePrerequisites(input: KubernetesNodePrerequisitesInput = {}): Step<ImageOp> {
  const { maxTrackedConnections } = checkStep("kubernetesNodePrerequisites", prerequisitesSchema, input);
  const parts = [
    installPackages(PACKAGES),
    kernelModules({ name: "kubernetes", load: MODULES }),
    sysctls(
      {
        "net.bridge.bridge-nf-call-iptables": 1,
        "net.bridge.bridge-nf-call-ip6tables": 1,
        "net.ipv4.ip_forward": 1,
        "net.ipv6.conf.all.forwarding": 1,
        "net.netfilter.nf_conntrack_max": maxTrackedConnections,
        // KubeVirt's post-copy live migration: QEMU is not root in its pod.
        "vm.unprivileged_userfaultfd": 1,
      },
      "kubernetes",
    ),
  ];
  return { name: "kubernetes-node-prerequisites", ops: (platform) => parts.flatMap((part) => part.ops(platform)) };
}
