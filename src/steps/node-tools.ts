import type { ImageOp } from "../core/op.ts";
import type { Step } from "../core/step.ts";
import { composed } from "./composed-step.ts";
import { installPackages } from "./packages.ts";

/**
 * Small programs that scripts on a test node call: `lspci` to find devices to pass through, `envsubst` and `patch` to fill in
 * and change manifests.
 */
export function nodeTools(): Step<ImageOp> {
  return composed("node-tools", [
    installPackages({ apt: ["gettext-base", "patch", "pciutils"], dnf: ["gettext", "patch", "pciutils"] }),
  ]);
}
