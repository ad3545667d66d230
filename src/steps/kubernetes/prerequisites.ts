import { z } from "zod";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import type { ImageOp } from "../../core/op.ts";
import type { Platform } from "../../core/platform.ts";
import type { Step } from "../../core/step.ts";
import { composed, onlyOn } from "../composed-step.ts";
import { kernelModules } from "../kernel-modules.ts";
import { installPackages } from "../packages.ts";
import { checkStep } from "../step-input.ts";
import { sysctls } from "../sysctls.ts";

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
 * What a machine needs before kubelet: packages, kernel modules and sysctls. Swap and firewall are steps of their own,
 * `swapOff` and `firewallOff`.
 *
 * @throws {InputError} `template-invalid`
 */
export function kubernetesNodePrerequisites(input: KubernetesNodePrerequisitesInput = {}): Step<ImageOp> {
  const { maxTrackedConnections } = checkStep("kubernetesNodePrerequisites", prerequisitesSchema, input);
  return composed("kubernetes-node-prerequisites", [
    installPackages(PACKAGES),
    onlyOn(isCentos("9"), modulePackages(["kernel-modules"])),
    onlyOn(isCentos("10"), modulePackages(["kernel-modules", "kernel-modules-extra"])),
    kernelModules({ name: "kubernetes", load: MODULES }),
    nodeSysctls(maxTrackedConnections),
  ]);
}

/**
 * CentOS Stream's cloud image has a kernel with few modules. br_netfilter, and what networks are made of, are in packages of
 * their own, from release 10 on in kernel-modules-extra. They ask for the kernel of their version, so that comes along when
 * the image's is older than the repository's, and runs from the next boot on.
 */
function modulePackages(names: readonly string[]): Step<ImageOp> {
  return installPackages({ apt: [], dnf: ["kernel-core", ...names] });
}

function isCentos(wanted: string): (platform: Platform) => boolean {
  return ({ distribution, release }) => distribution === "centos" && release === wanted;
}

function nodeSysctls(maxTrackedConnections: number): Step<ImageOp> {
  return sysctls(
    {
      "net.bridge.bridge-nf-call-iptables": 1,
      "net.bridge.bridge-nf-call-ip6tables": 1,
      "net.ipv4.ip_forward": 1,
      "net.ipv6.conf.all.disable_ipv6": 0,
      "net.ipv6.conf.all.forwarding": 1,
      "net.netfilter.nf_conntrack_max": maxTrackedConnections,
      // KubeVirt's post-copy live migration: QEMU is not root in its pod.
      "vm.unprivileged_userfaultfd": 1,
    },
    "kubernetes",
  );
}
