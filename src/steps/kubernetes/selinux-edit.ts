import type { ManifestEdit } from "../../core/op.ts";

/**
 * The SELinux type of containers that may do what root on the node may. Runtimes ignore it on a node without SELinux, so
 * one manifest serves both.
 */
export const SPC = { seLinuxOptions: { type: "spc_t" } };

/** Gives the pods of a workload that type. */
export function spcEdit(kind: "DaemonSet" | "Deployment", name: string): ManifestEdit {
  return {
    object: { kind, name },
    path: ["spec", "template", "spec", "securityContext", "seLinuxOptions", "type"],
    value: SPC.seLinuxOptions.type,
  };
}
