import {
  cniPlugins,
  containerd,
  defineTemplate,
  firstBoot,
  kubernetesNodePrerequisites,
  packages,
  swapOff,
} from "kvci-build";

/** Runs on the node, not in the build: only there the host name is final. */
const recordNodeName = `#!/bin/sh
set -eu
# Fails, and so is tried again, as long as containerd does not answer.
ctr version > /dev/null
mkdir -p /etc/kubernetes
uname -n > /etc/kubernetes/node-name
`;

/** A Debian 12 node, ready for kubelet: needs nothing but a package mirror to build. */
export default defineTemplate({
  name: "quickstart",
  description: "Debian 12 with containerd, CNI plugins and what Kubernetes asks of the kernel",
  arches: ["amd64", "arm64"],
  base: packages({ distribution: "debian", release: "12" }),
  disk: { sizeGiB: 6 },
  machine: { memoryMiB: 2048, cpus: 2 },
  steps: [
    kubernetesNodePrerequisites(),
    containerd(),
    cniPlugins(),
    swapOff(),
    firstBoot({
      name: "node-name",
      script: recordNodeName,
      after: ["containerd.service"],
      timeoutSeconds: 60,
      hostnameSeconds: 10,
    }),
  ],
  outputs: ["container-disk", "layered-disk"],
  checks: ["boot"],
  labels: {
    "org.opencontainers.image.title": "Debian 12 Kubernetes node",
    "org.opencontainers.image.licenses": "Apache-2.0",
  },
});
