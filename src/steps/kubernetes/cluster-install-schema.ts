import { z } from "zod";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import { runtimeName } from "../container-runtime.ts";
import type { Addon, AddonInput } from "./addon.ts";
import { cniName, stackName } from "./cluster-network.ts";

const seconds = z.int().min(10).max(14_400);

export const installSchema = recordOf({
  /** Part of the node: the first of a cluster, one more of it, or whichever user data says. Default: "auto". */
  role: z.enum(["control-plane", "join", "auto"]).default("auto"),
  runtime: runtimeName,
  /** Default: "flannel". */
  cni: cniName.default("flannel"),
  /** Default: "dual". */
  stack: stackName.default("dual"),
  /** Fail at once, with their names, when images are not in the node's store, instead of pulling them. Default: true. */
  offline: z.boolean().default(true),
  /** Errors of kubeadm's checks that do not matter, such as "NumCPU". */
  ignorePreflightErrors: z.array(z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/)).default([]),
  /** Seconds for kubeadm. Default: 900. */
  kubeadmSeconds: seconds.default(900),
  /** Seconds until the node is Ready, and again until the cluster's DNS runs. Default: 600. */
  readySeconds: seconds.default(600),
  /** Further tries after the first. Default: 2. */
  retries: z.int().min(0).max(100).default(2),
});

export type ClusterInstallInput = DeepReadonly<z.input<typeof installSchema>> & {
  /** Addons to apply, whose manifests `addonManifests` has put into the image; each is waited for. */
  readonly addons?: readonly AddonInput[];
};
/** The checked input. */
export type ClusterInstall = z.output<typeof installSchema> & { readonly addons: readonly Addon[] };
