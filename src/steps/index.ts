/** The step library: functions that return steps, for a template's `steps`. */
export { cniPlugins } from "./cni-plugins.ts";
export { containerd, type ContainerdInput } from "./containerd.ts";
export { files, type FilesInput } from "./files.ts";
export { firstBoot, type FirstBootInput } from "./first-boot.ts";
export { hostname } from "./hostname.ts";
export { kernelArguments, type KernelArgumentsInput } from "./kernel-arguments.ts";
export { kernelModules, type KernelModulesInput } from "./kernel-modules.ts";
export { kubernetesNodePrerequisites, type KubernetesNodePrerequisitesInput } from "./kubernetes.ts";
export { installPackages, removePackages, type InstallOptions, type PackageNames } from "./packages.ts";
export { packageRepository, type RepositoryInput } from "./repositories.ts";
export { seal } from "./seal.ts";
export { selinux, type SelinuxMode } from "./selinux.ts";
export { services, type ServicesInput } from "./services.ts";
export { swapOff } from "./swap.ts";
export { sysctls, type SysctlValues } from "./sysctls.ts";
export { user, type UserInput } from "./users.ts";
