import {
  firewallOff,
  growRootOnFirstBoot,
  hugepages,
  iscsi,
  kernelArguments,
  kubernetesNodePrerequisites,
  localVolumes,
  lvm,
  networkManager,
  nftables,
  nodeTools,
  openVswitch,
  selinuxLabels,
  sriovUdev,
  swapOff,
  tmpfs,
  type Step,
} from "kvci-build";
import type { NodeBase } from "./bases.ts";

/** Where KubeVirt's tests put disk images for their machines. */
const TESTS = "/var/provision/kubevirt.io/tests";

/** Everything below the container runtime; nothing here may depend on the version of Kubernetes. */
export function systemSteps({ openVswitch: foreign, selinux }: NodeBase): readonly Step[] {
  return [
    kubernetesNodePrerequisites(),
    firewallOff(),
    swapOff(),
    iscsi(),
    lvm({ fakeSsd: true }),
    nftables(),
    nodeTools(),
    openVswitch(foreign ?? {}),
    networkManager(),
    // Users of KubeVirt's clusters look for eth0, and for pages of 2 MiB.
    kernelArguments({ name: "node", add: ["net.ifnames=0"] }),
    hugepages({ "2Mi": 64 }),
    sriovUdev(),
    growRootOnFirstBoot(),
    // Ten for the StorageClass "local", in sparse files: they take what is written to them.
    localVolumes({ on: "image-file", count: 10, sizeGiB: 4 }),
    ...(selinux ? [selinuxLabels({ paths: { "/mnt/local-storage": "container_file_t" } })] : []),
    tmpfs({ path: TESTS }),
  ];
}
