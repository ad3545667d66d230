import type { ImageOp } from "../../core/op.ts";
import { fetchIn, run } from "../../core/op-makers.ts";
import type { Platform } from "../../core/platform.ts";
import type { Step } from "../../core/step.ts";
import { composed } from "../composed-step.ts";
import { installPackages } from "../packages.ts";
import { packageRepository } from "../repositories.ts";
import { shell } from "../script.ts";
import { services } from "../services.ts";
import { checkStep } from "../step-input.ts";
import type { KubernetesVersion } from "./kubernetes-version.ts";
import { versionSchema } from "./version-input.ts";

/**
 * Installs kubelet, kubeadm, kubectl, cri-tools and kubernetes-cni of one version from Kubernetes' signed repository and
 * holds them there: an upgrade of the machine leaves them alone, as kubeadm asks for. A pre-release has no packages: those
 * of the minor before bring units and dependencies, and its own programs replace theirs. kubelet is enabled, not started.
 *
 * @throws {InputError} `template-invalid`
 */
export function kubernetesPackages(version: KubernetesVersion): Step<ImageOp> {
  const checked = checkStep("kubernetesPackages", versionSchema, version);
  return composed(`kubernetes-${checked.version}`, [
    packageRepository(checked.repository),
    installPackages(checked.packages),
    { name: "kubernetes-programs", ops: (platform) => programOps(checked, platform) },
    { name: "kubernetes-hold", ops: (platform) => [holdOp(checked, platform)] },
    services({ enable: ["kubelet.service"] }),
  ]);
}

function programOps({ binaries }: KubernetesVersion, { arch, family }: Platform): readonly ImageOp[] {
  const programs = binaries(arch).map(({ name, url }) => ({ url, path: `/usr/bin/${name}` }));
  if (programs.length === 0) return [];
  return [
    ...programs.map(({ url, path }) => fetchIn(url, path, { mode: 0o755 })),
    // systemd may start kubelet only under the label of a program.
    ...(family === "dnf" ? [run("restorecon", ...programs.map(({ path }) => path))] : []),
  ];
}

function holdOp({ packages, repository }: KubernetesVersion, { family }: Platform): ImageOp {
  const names = packages[family].map((spec) => spec.replace(/@.*/, ""));
  if (family === "apt") return run("apt-mark", "hold", ...names);
  // The file has one section. `--disableexcludes=kubernetes` is how an upgrade by hand gets past it.
  return shell(`echo 'excludepkgs=${names.join(" ")}' >> /etc/yum.repos.d/${repository.name}.repo`);
}
