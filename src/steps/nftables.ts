import type { ImageOp } from "../core/op.ts";
import type { Step } from "../core/step.ts";
import { composed } from "./composed-step.ts";
import { installPackages } from "./packages.ts";

/**
 * Installs `nft`, which kube-proxy's nftables mode, Flannel and KubeVirt's masquerade call. The distribution's own rule set
 * stays off: nftables.service would flush the cluster's rules whenever it is started.
 */
export function nftables(): Step<ImageOp> {
  return composed("nftables", [installPackages(["nftables"])]);
}
