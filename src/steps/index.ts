/** The step library: functions that return steps, for a template's `steps`. */
export { cniPlugins } from "./cni-plugins.ts";
export { containerd, type ContainerdInput } from "./containerd.ts";
export { files, type FilesInput } from "./files.ts";
export { firewallOff } from "./firewall.ts";
export { firstBoot, type FirstBootInput } from "./first-boot.ts";
export { growRootOnFirstBoot } from "./grow-root.ts";
export { hostname } from "./hostname.ts";
export { hugepages, type HugepagesInput } from "./hugepages.ts";
export { iscsi } from "./iscsi.ts";
export { kernelArguments, type KernelArgumentsInput } from "./kernel-arguments.ts";
export { kernelModules, type KernelModulesInput } from "./kernel-modules.ts";
export { kubernetesNodePrerequisites, type KubernetesNodePrerequisitesInput } from "./kubernetes/prerequisites.ts";
export { localVolumes, type LocalVolumesInput } from "./local-volumes.ts";
export { lvm, type LvmInput } from "./lvm.ts";
export { networkManager, type NetworkManagerInput } from "./network-manager.ts";
export { nftables } from "./nftables.ts";
export { nodeTools } from "./node-tools.ts";
export { openVswitch, type OpenVswitchInput } from "./open-vswitch.ts";
export { installPackages, removePackages, type InstallOptions, type PackageNames } from "./packages.ts";
export { packageRepository, type RepositoryInput } from "./repositories.ts";
export { seal } from "./seal.ts";
export { selinuxLabels, type SelinuxLabelsInput } from "./selinux-labels.ts";
export { selinux, type SelinuxMode } from "./selinux.ts";
export { services, type ServicesInput } from "./services.ts";
export { sriovUdev, type SriovUdevInput } from "./sriov-udev.ts";
export { swap, swapOff, type SwapInput } from "./swap.ts";
export { sysctls, type SysctlValues } from "./sysctls.ts";
export { tmpfs, type TmpfsInput } from "./tmpfs.ts";
export { user, type UserInput } from "./users.ts";
export { auditPolicy, type AuditPolicyInput } from "./kubernetes/audit-policy.ts";
export { clusterInstall, type ClusterInstallInput } from "./kubernetes/cluster-install.ts";
export type { Cni, Stack } from "./kubernetes/cluster-network.ts";
export { cniImages, cniManifests, type CniManifestsInput } from "./kubernetes/cni-manifests.ts";
export { containerImages, type ContainerImagesInput } from "./kubernetes/container-images.ts";
export { crio, type CrioInput } from "./kubernetes/crio.ts";
export { kubeadmConfiguration, type KubeadmInput } from "./kubernetes/kubeadm-configuration.ts";
export { kubeletConfig, type KubeletConfigInput } from "./kubernetes/kubelet-config.ts";
export { kubernetesPackages } from "./kubernetes/kubernetes-packages.ts";
export { podSecurity, type PodSecurityInput } from "./kubernetes/pod-security.ts";
export { choice } from "./choice.ts";
export {
  addonImages,
  addonManifests,
  addonsInProfile,
  addonsOf,
  type Addon,
  type AddonImagesInput,
  type AddonInput,
} from "./kubernetes/addon.ts";
export { kubernetesVersion, type KubernetesRelease, type KubernetesVersion } from "./kubernetes/kubernetes-version.ts";
