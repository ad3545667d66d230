import type { ImageOp } from "../core/op.ts";
import { run } from "../core/op-makers.ts";
import type { OsFamily, Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { installPackages } from "./packages.ts";
import { shell } from "./script.ts";

/**
 * Where containerd looks for CNI plugins. Not the distribution's own folder: Flannel, Calico and Multus bring binaries of
 * their own and put them here by a hostPath.
 */
export const CNI_BIN_DIR = "/opt/cni/bin";

const PACKAGED: Readonly<Record<OsFamily, string>> = { apt: "/usr/lib/cni", dnf: "/usr/libexec/cni" };

/** Installs the distribution's reference CNI plugins (bridge, host-local, loopback, portmap …), visible in /opt/cni/bin. */
export function cniPlugins(): Step<ImageOp> {
  const install = installPackages(["containernetworking-plugins"]);
  return {
    name: "cni-plugins",
    needs: (platform) => install.needs?.(platform) ?? [],
    ops: (platform, lock) => [...install.ops(platform, lock), ...linkPlugins(platform)],
  };
}

function linkPlugins(platform: Platform): readonly ImageOp[] {
  return [run("mkdir", "-p", CNI_BIN_DIR), shell(`ln -sf ${PACKAGED[platform.family]}/* ${CNI_BIN_DIR}/`)];
}
