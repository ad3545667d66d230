import type { ImageOp } from "../../core/op.ts";
import type { Step } from "../../core/step.ts";
import { RUNTIMES } from "../container-runtime.ts";
import { firstBoot } from "../first-boot.ts";
import { checkStep } from "../step-input.ts";
import { addonsOf } from "./addon.ts";
import { installSchema, type ClusterInstall, type ClusterInstallInput } from "./cluster-install-schema.ts";
import { clusterInstallScript, COMMAND_SECONDS, GRACE_SECONDS } from "./cluster-install-script.ts";

export type { ClusterInstallInput } from "./cluster-install-schema.ts";

/**
 * Makes the node a cluster, or a part of one, at its first boot: with its final host name, from what is in the image. kubeadm
 * runs with the configuration of `kubeadmConfiguration`, then the CNI's and the addons' manifests are applied and waited for.
 * What went wrong is said on console and journal; a further try begins where the last one ended.
 *
 * User data steers it by files, of mode 0600: `/etc/kubernetes/kvci-join.yaml` (a JoinConfiguration, or its `discovery` part
 * alone) makes the node join; `/etc/kubernetes/kvci-init.yaml` stands in for the image's configuration of a new cluster;
 * `/etc/kubernetes/kvci-token` holds a bootstrap token for others to join with, beside the one that kubeadm makes.
 *
 * @throws {InputError} `template-invalid`
 */
export function clusterInstall({ addons = [], ...input }: ClusterInstallInput): Step<ImageOp> {
  const install = { ...checkStep("clusterInstall", installSchema, input), addons: addonsOf(addons) };
  return firstBoot({
    name: "cluster-install",
    script: clusterInstallScript(install),
    timeoutSeconds: longest(install),
    retries: install.retries,
    after: [RUNTIMES[install.runtime].unit],
  });
}

/** Every wait of the script at its longest, so that it is the script that ends, and says where. */
function longest({ kubeadmSeconds, readySeconds, addons }: ClusterInstall): number {
  // Twice: for what is waited for to be there, and to be ready. The node and CoreDNS are three such waits.
  const gates = addons.flatMap(({ ready, commands }) => [
    ...ready.map(({ timeoutSeconds }) => 2 * timeoutSeconds),
    ...commands.map(() => COMMAND_SECONDS),
  ]);
  // Runtime, IPv6 address, reset, token, DNS' patch, up to two manifests of the CNI, then those of the addons.
  const graces = 7 + addons.length;
  const all = [kubeadmSeconds, 3 * readySeconds, ...gates].reduce((sum, each) => sum + each, graces * GRACE_SECONDS);
  return Math.min(all, 86_400);
}
