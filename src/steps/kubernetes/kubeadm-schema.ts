import { z } from "zod";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import { runtimeName } from "../container-runtime.ts";
import { cniNames, DEFAULT_STACKS, stackNames } from "./cluster-network.ts";

const flags = z
  .record(z.string().regex(/^[a-z][a-z0-9-]*$/, 'a flag without its dashes, such as "v", is needed'), z.string())
  .default({});

export const kubeadmSchema = recordOf({
  runtime: runtimeName,
  /** One configuration per CNI and stack. Default: both CNIs. */
  cnis: cniNames.default(["flannel", "calico"]),
  /** Default: dual-stack and IPv6-only. */
  stacks: stackNames.default([...DEFAULT_STACKS]),
  /** The API server logs by the policy of `auditPolicy()`, which must be in the image, too. Default: false. */
  audit: z.boolean().default(false),
  /** The API server admits pods by `podSecurity()`, which must be in the image, too. Default: false. */
  podSecurity: z.boolean().default(false),
  /** Pods may run on the control plane. Default: true, since a test cluster often is one node. */
  schedulable: z.boolean().default(true),
  /** Further flags by name, `{ etcd: { "unsafe-no-fsync": "true" } }`; they win over those set here. */
  extraArguments: recordOf({ apiServer: flags, controllerManager: flags, scheduler: flags, etcd: flags }).prefault({}),
});

export type KubeadmInput = DeepReadonly<z.input<typeof kubeadmSchema>>;
export type KubeadmSettings = z.output<typeof kubeadmSchema>;
