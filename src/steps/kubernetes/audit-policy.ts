import { z } from "zod";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import type { ImageOp } from "../../core/op.ts";
import { writeFile } from "../../core/op-makers.ts";
import type { Step } from "../../core/step.ts";
import { checkStep } from "../step-input.ts";
import { yamlText, type YamlValue } from "../yaml-text.ts";

const levelSchema = z.enum(["None", "Metadata", "Request", "RequestResponse"]);
const auditSchema = recordOf({
  /**
   * What is logged of every request that the rule for KubeVirt's machines does not match. Default: "None", which is what
   * KubeVirt's own test clusters log; "Metadata" logs who did what.
   */
  others: levelSchema.default("None"),
});

export type AuditPolicyInput = DeepReadonly<z.input<typeof auditSchema>>;

/** The folder is what the API server mounts: kubeadm's `extraVolumes` name it. */
export const AUDIT_FOLDER = "/etc/kubernetes/audit";
export const AUDIT_POLICY = `${AUDIT_FOLDER}/policy.yaml`;

/** What tests of KubeVirt look up: which machines a person asked for. */
const MACHINES: YamlValue = {
  level: "Request",
  // Who kubeadm's admin.conf speaks for.
  users: ["kubernetes-admin"],
  resources: [
    {
      group: "kubevirt.io",
      resources: [
        "virtualmachines",
        "virtualmachineinstances",
        "virtualmachineinstancereplicasets",
        "virtualmachineinstancepresets",
        "virtualmachineinstancemigrations",
      ],
    },
  ],
  // One line per request, when it is done.
  omitStages: ["RequestReceived", "ResponseStarted", "Panic"],
};

/**
 * Stores the API server's audit policy, /etc/kubernetes/audit/policy.yaml. It counts in clusters whose kubeadm configuration
 * was made with `audit: true`.
 *
 * @throws {InputError} `template-invalid`
 */
export function auditPolicy(input: AuditPolicyInput = {}): Step<ImageOp> {
  const { others } = checkStep("auditPolicy", auditSchema, input);
  const content = yamlText({
    apiVersion: "audit.k8s.io/v1",
    kind: "Policy",
    rules: [MACHINES, ...(others === "None" ? [] : [{ level: others, omitStages: ["RequestReceived"] }])],
  });
  return { name: "audit-policy", ops: () => [writeFile(AUDIT_POLICY, content)] };
}
