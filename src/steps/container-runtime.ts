import { z } from "zod";
import type { ContainerRuntime, WriteFile } from "../core/op.ts";
import { writeFile } from "../core/op-makers.ts";
import { lines } from "./script.ts";

/** The Kubernetes side of the container runtimes: where kubelet and crictl reach them, and what systemd calls them. */
export const RUNTIMES: Readonly<Record<ContainerRuntime, { readonly socket: string; readonly unit: string }>> = {
  containerd: { socket: "unix:///run/containerd/containerd.sock", unit: "containerd.service" },
  "cri-o": { socket: "unix:///run/crio/crio.sock", unit: "crio.service" },
};

export const runtimeName = z.enum(["containerd", "cri-o"]);

/** A registry as image references name it. */
export const registryHost = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]*(?::[0-9]+)?$/i, 'a registry such as "registry:5000" is needed');

/** Tells crictl the socket; without it crictl tries all it knows, one timeout after the other. */
export function crictlConfig(runtime: ContainerRuntime): WriteFile {
  const { socket } = RUNTIMES[runtime];
  return writeFile(
    "/etc/crictl.yaml",
    lines(`runtime-endpoint: ${socket}`, `image-endpoint: ${socket}`, "timeout: 10"),
  );
}
