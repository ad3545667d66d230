import type { ManifestEdit } from "../../core/op.ts";
import { clusterNetwork, type Stack } from "./cluster-network.ts";
import { spcEdit } from "./selinux-edit.ts";

/** Bytes; 20 below Ethernet's 1500, as KubeVirt's CI runs in networks that are tunnels themselves. */
const MTU = 1480;

/**
 * Changes of flannel's kube-flannel.yml (0.25 and newer): addresses, and nftables instead of iptables, which CentOS Stream 10
 * no longer has.
 */
export function flannelEdits(stack: Stack): readonly ManifestEdit[] {
  return [
    {
      object: { kind: "ConfigMap", name: "kube-flannel-cfg" },
      path: ["data", "net-conf.json"],
      value: `${JSON.stringify(netConf(stack), undefined, 2)}\n`,
    },
    // Its containers write to /etc/cni/net.d, /opt/cni/bin and /run/flannel, which SELinux keeps from ordinary ones.
    spcEdit("DaemonSet", "kube-flannel-ds"),
  ];
}

function netConf(stack: Stack): object {
  const { pods, nodeMasks } = clusterNetwork("flannel", stack);
  const [v4, v6] = [pods.find((range) => !range.includes(":")), pods.find((range) => range.includes(":"))];
  return {
    ...(v4 === undefined ? {} : { Network: v4, SubnetLen: nodeMasks.ipv4 }),
    ...(v6 === undefined ? {} : { IPv6Network: v6 }),
    EnableNFTables: true,
    EnableIPv4: v4 !== undefined,
    EnableIPv6: v6 !== undefined,
    Backend: { Type: "vxlan", MTU },
  };
}
