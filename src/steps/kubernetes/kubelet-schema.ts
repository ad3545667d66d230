import { z } from "zod";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import { fileName } from "../step-input.ts";

const cpuQuantity = z.string().regex(/^[0-9]+(?:\.[0-9]+)?m?$/, 'an amount of CPU such as "500m" is needed');
const memoryQuantity = z.string().regex(/^[0-9]+(?:[KMGT]i?)?$/, 'an amount of memory such as "512Mi" is needed');
const cpuList = z.string().regex(/^[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*$/, 'a list such as "0-1,4" is needed');
const reservation = recordOf({ cpu: cpuQuantity.optional(), memory: memoryQuantity.optional() });

export const kubeletSchema = recordOf({
  /** Names the drop-in, /etc/kubernetes/kubelet.conf.d/<name>.conf; later names win. */
  name: fileName.default("50-kvci-build"),
  /** Refuse to start when there is swap. Default: false, as KubeVirt's test clusters have lanes with swap. */
  failSwapOn: z.boolean().default(false),
  /** What pods may do with swap. Default: kubelet's own, "NoSwap". */
  swapBehavior: z.enum(["NoSwap", "LimitedSwap"]).optional(),
  /** "static" gives whole CPUs to guaranteed pods; it needs CPUs reserved for the rest. */
  cpuManagerPolicy: z.enum(["none", "static"]).optional(),
  topologyManagerPolicy: z.enum(["none", "best-effort", "restricted", "single-numa-node"]).optional(),
  topologyManagerScope: z.enum(["container", "pod"]).optional(),
  /** Held back from pods: for kubelet and the runtime, and for everything else. */
  kubeReserved: reservation.optional(),
  systemReserved: reservation.optional(),
  /** CPUs that no guaranteed pod gets: "0-1". Instead of amounts. */
  reservedSystemCpus: cpuList.optional(),
  /**
   * Per cent of the disk from which on unused images are deleted. Default: 100, which is never: a node without a network
   * could not get them back.
   */
  imageGcHighPercent: z.int().min(1).max(100).default(100),
  /** Images that are pulled at the same time, 1 for one after the other. Default: kubelet's own, 1. */
  parallelImagePulls: z.int().min(1).max(100).optional(),
  maxPods: z.int().min(1).optional(),
  featureGates: z.record(z.string().regex(/^[A-Z][A-Za-z0-9]*$/), z.boolean()).default({}),
}).superRefine((input, context) => {
  if (input.cpuManagerPolicy === "static" && !reservesCpus(input)) {
    const message = "static needs CPUs for the system: reservedSystemCpus, or cpu in kubeReserved or systemReserved";
    context.addIssue({ code: "custom", path: ["cpuManagerPolicy"], message });
  }
  if (input.swapBehavior === "LimitedSwap" && input.failSwapOn) {
    context.addIssue({ code: "custom", path: ["failSwapOn"], message: "with swap, kubelet would not start" });
  }
});

export type KubeletConfigInput = DeepReadonly<z.input<typeof kubeletSchema>>;
export type KubeletConfig = z.output<typeof kubeletSchema>;

type Reservations = Pick<KubeletConfigInput, "reservedSystemCpus" | "kubeReserved" | "systemReserved">;

function reservesCpus({ reservedSystemCpus, kubeReserved, systemReserved }: Reservations): boolean {
  return [reservedSystemCpus, kubeReserved?.cpu, systemReserved?.cpu].some((value) => value !== undefined);
}
