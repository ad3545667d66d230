import type { ImageOp } from "../core/op.ts";
import type { Step } from "../core/step.ts";
import { composed, onlyOn } from "./composed-step.ts";
import { removePackages } from "./packages.ts";
import { services } from "./services.ts";

/**
 * Leaves the node without the distribution's firewall, which does not know the cluster's ports and rewrites its rules:
 * firewalld goes; on Debian and Ubuntu, where a base may or may not have one, firewalld and ufw cannot be started.
 */
export function firewallOff(): Step<ImageOp> {
  return composed("firewall-off", [
    onlyOn(({ family }) => family === "dnf", removePackages(["firewalld"])),
    onlyOn(({ family }) => family === "apt", services({ mask: ["firewalld.service", "ufw.service"] })),
  ]);
}
