import type { Step } from "../../../src/core/step.ts";
import * as steps from "../../../src/steps/index.ts";
import { KUBERNETES_SAMPLES } from "./kubernetes/samples.ts";

const PUBLIC_KEY =
  "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZAAAABYJKwYBBAHaRw8BAQdA\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n";

export const kubernetesRepository: steps.RepositoryInput = {
  name: "kubernetes",
  signingKey: PUBLIC_KEY,
  apt: { uris: ["https://packages.example.org/v1.31/deb/"], suites: ["/"] },
  dnf: { baseUrl: "https://packages.example.org/v1.31/rpm/", signedIndex: true },
};

/** One of everything: what the goldens hold and the scripts' syntax is checked on. */
export const SAMPLES: Readonly<Record<string, Step>> = {
  ...KUBERNETES_SAMPLES,
  "cni-plugins": steps.cniPlugins(),
  containerd: steps.containerd(),
  "containerd-repository": steps.containerd({
    package: "containerd.io@1.7.24-1",
    repository: { ...kubernetesRepository, name: "docker", signingKey: { file: "keys/docker.asc" } },
    sandboxImage: "registry.example.org/pause:3.10",
  }),
  files: steps.files("motd", {
    "/etc/motd": "Welcome\n",
    "/usr/local/bin/hello": { content: "#!/bin/sh\necho hello\n", mode: 0o755 },
    "/srv/data": { source: "files/data", owner: "nobody:nogroup" },
  }),
  "first-boot": steps.firstBoot({
    name: "join",
    script: "#!/bin/sh\nkubeadm join\n",
    timeoutSeconds: 120,
    retries: 2,
    retryDelaySeconds: 5,
    after: ["containerd.service"],
    before: ["kubelet.service"],
  }),
  "firewall-off": steps.firewallOff(),
  "grow-root": steps.growRootOnFirstBoot(),
  hostname: steps.hostname("node.example.org", { fixed: true }),
  "install-packages": steps.installPackages(["runc@1.1.5+ds1-1", "jq"]),
  "install-packages-per-family": steps.installPackages(
    { apt: ["open-iscsi"], dnf: ["iscsi-initiator-utils"] },
    { recommends: true },
  ),
  iscsi: steps.iscsi(),
  "kernel-arguments": steps.kernelArguments({ add: ["nosmt", "console=ttyS1,115200"], remove: ["quiet", "panic=5"] }),
  "kernel-modules": steps.kernelModules({
    load: ["vfio-pci"],
    blacklist: ["nouveau"],
    parameters: { kvm_intel: "nested=1" },
  }),
  "kubernetes-node-prerequisites": steps.kubernetesNodePrerequisites(),
  "local-volumes-data-disk": steps.localVolumes({ on: "data-disk" }),
  "local-volumes-image-file": steps.localVolumes({ count: 3, dir: "/mnt/disks", on: "image-file", sizeGiB: 5 }),
  lvm: steps.lvm({ fakeSsd: true }),
  "network-manager": steps.networkManager({ ignore: ["cali*", "tunl*", "flannel*", "vxlan*"] }),
  nftables: steps.nftables(),
  "node-tools": steps.nodeTools(),
  "open-vswitch": steps.openVswitch(),
  "package-repository": steps.packageRepository(kubernetesRepository),
  "remove-packages": steps.removePackages(["nano@7"]),
  seal: steps.seal(),
  "selinux-disabled": steps.selinux("disabled"),
  "selinux-labels": steps.selinuxLabels({
    paths: { "/var/local/kubevirt.io": "container_file_t", "/srv/b": "container_file_t" },
  }),
  services: steps.services({
    enable: ["kubelet.service"],
    disable: ["cni-dhcp.service"],
    mask: ["apt-daily.timer", "man-db.timer"],
  }),
  "sriov-udev": steps.sriovUdev(),
  swap: steps.swap({ sizeMiB: 2048, swappiness: 30 }),
  "swap-off": steps.swapOff(),
  sysctls: steps.sysctls({
    "vm.max_map_count": 262_144,
    "fs.inotify.max_user_watches": 524_288,
    "kernel.core_pattern": "|/bin/false",
  }),
  tmpfs: steps.tmpfs({ path: "/var/provision/kubevirt.io/tests" }),
  user: steps.user({
    name: "core",
    uid: 1000,
    groups: ["adm", "kvm"],
    authorizedKeys: [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio core@example.org",
    ],
    sudo: true,
  }),
};
