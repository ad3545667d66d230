import { containerd, crio, defineStep, run, type KubernetesVersion, type Step } from "kvci-build";
import type { NodeBase } from "./bases.ts";

export type Runtime = "containerd" | "cri-o";

/** Where clusters of KubeVirt's CI have the images that are tested. */
const TEST_REGISTRY = "registry:5000";
/** Any that there is: the version's own takes its place in the Kubernetes phase, so that this one can be shared. */
const SOME_PAUSE_IMAGE = "registry.k8s.io/pause:3.10";

export function runtimeSteps(runtime: Runtime, version: KubernetesVersion, base: NodeBase): readonly Step[] {
  if (runtime === "containerd") return [containerdFor(version, base)];
  return [crio({ version, insecureRegistries: [TEST_REGISTRY], searchRegistries: ["quay.io", "docker.io"] })];
}

/**
 * The distribution's containerd where kubelet takes it, else Docker's: 1.35 was the last minor to work with containerd 1.x.
 * https://containerd.io/releases/#kubernetes-support
 */
function containerdFor({ minor }: KubernetesVersion, { containerd: packaged = 0, docker }: NodeBase): Step {
  const wanted = Number(minor.split(".")[1]) >= 36 ? 2 : 1;
  const common = { sandboxImage: SOME_PAUSE_IMAGE, insecureRegistries: [TEST_REGISTRY] };
  if (packaged >= wanted) return containerd(common);
  return containerd({ ...common, package: "containerd.io", repository: docker });
}

/** The pause image that kubeadm wants, and that is in the image. CRI-O's comes with its version. */
export function pauseImage(runtime: Runtime, { pauseImage: image }: KubernetesVersion): readonly Step[] {
  if (runtime === "cri-o") return [];
  const edit = `s|^( *sandbox_image = ).*|\\1"${image}"|`;
  return [defineStep("pause-image", [run("sed", "-i", "-E", edit, "/etc/containerd/config.toml")])];
}
