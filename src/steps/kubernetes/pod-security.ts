import { z } from "zod";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import type { ImageOp } from "../../core/op.ts";
import { writeFile } from "../../core/op-makers.ts";
import type { Step } from "../../core/step.ts";
import { checkStep } from "../step-input.ts";
import { yamlText } from "../yaml-text.ts";

const level = z.enum(["privileged", "baseline", "restricted"]);
const namespace = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'a namespace such as "monitoring" is needed');

/** Whose pods need more than "restricted" by what they are: networks, storage, the test suite's own. */
const EXEMPT = [
  "kube-system",
  "default",
  "istio-operator",
  "istio-system",
  "nfs-csi",
  "monitoring",
  "rook-ceph",
  "cluster-network-addons",
  "sonobuoy",
];

const podSecuritySchema = recordOf({
  /** What is refused. Default: nothing; "restricted" is what KubeVirt's lane for pod security runs with. */
  enforce: level.default("privileged"),
  /** What is written to the audit log, and warned of. */
  audit: level.default("restricted"),
  warn: level.default("restricted"),
  /** Namespaces that all of this leaves alone. Default: those of the addons that KubeVirt's CI uses. */
  exemptNamespaces: z.array(namespace).default(EXEMPT),
});

export type PodSecurityInput = DeepReadonly<z.input<typeof podSecuritySchema>>;

export const POD_SECURITY = "/etc/kubernetes/pod-security.yaml";

/**
 * Stores the API server's pod security admission configuration, /etc/kubernetes/pod-security.yaml. It counts in clusters
 * whose kubeadm configuration was made with `podSecurity: true`.
 *
 * @throws {InputError} `template-invalid`
 */
export function podSecurity(input: PodSecurityInput = {}): Step<ImageOp> {
  const checked = checkStep("podSecurity", podSecuritySchema, input);
  return { name: "pod-security", ops: () => [writeFile(POD_SECURITY, configuration(checked))] };
}

function configuration({ enforce, audit, warn, exemptNamespaces }: z.output<typeof podSecuritySchema>): string {
  const defaults = Object.entries({ enforce, audit, warn }).flatMap(([mode, value]) => [
    [mode, value],
    [`${mode}-version`, "latest"],
  ]);
  return yamlText({
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "AdmissionConfiguration",
    plugins: [
      {
        name: "PodSecurity",
        configuration: {
          apiVersion: "pod-security.admission.config.k8s.io/v1",
          kind: "PodSecurityConfiguration",
          defaults: Object.fromEntries(defaults) as Record<string, string>,
          exemptions: { usernames: [], runtimeClasses: [], namespaces: exemptNamespaces },
        },
      },
    ],
  });
}
