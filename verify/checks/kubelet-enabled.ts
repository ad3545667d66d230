import { fail, labelled, pass, type Check, type Subject, type Verdict } from "../check.ts";

/**
 * A node that no cluster was made on has a kubelet that ends at once, for want of files that kubeadm writes, and is started
 * again and again. That is as it should be; any other reason is not. Errors of a kubelet that goes on are not looked at:
 * it reports many while it waits for the rest of a cluster.
 */
export const kubeletEnabled: Check = {
  name: "kubelet-enabled",
  proves: "kubelet starts with the node, and lacks nothing but what a cluster gives it.",
  timeoutMs: 120_000,
  probe: `
echo "enabled: $(systemctl is-enabled kubelet.service 2>/dev/null || true)"
for key in ActiveState SubState ConditionResult NRestarts; do
  echo "$key: $(systemctl show --property=$key --value kubelet.service)"
done
if command -v kubelet >/dev/null; then echo "version: $(kubelet --version 2>&1 | tail -n 1 | cut -c1-200)"; fi
journalctl -b -u kubelet.service --no-pager -o cat | grep -E '^F[0-9]{4} |^Error: |"command failed"' | tail -n 6 | cut -c1-600 | sed 's/^/error: /'`,
  judge(subjects): Verdict {
    const complaints = subjects.flatMap((subject) => complain(subject).map((text) => `${subject.name}: ${text}`));
    const evidence = subjects.flatMap(({ name, output }) =>
      labelled(output, "error").map((line) => `${name}: ${line}`),
    );
    if (complaints.length > 0) return fail(complaints, evidence);
    return pass(subjects.map(({ output }) => `${only(output, "version")}, ${stateOf(output)}`).join("; "));
  },
};

/** What kubeadm writes when the node joins a cluster or begins one. */
const OF_THE_CLUSTER =
  /(?:\/var\/lib\/kubelet\/config\.yaml|\/etc\/kubernetes\/(?:bootstrap-kubelet|kubelet)\.conf).*no such file or directory/;

function complain({ output }: Subject): string[] {
  const enabled = only(output, "enabled");
  const version = only(output, "version");
  return [
    ...(enabled === "enabled"
      ? []
      : [`kubelet.service is "${enabled || "not there"}", so it does not start with the node`]),
    ...(/^Kubernetes v\d/.test(version) ? [] : [`kubelet does not tell its version: "${version}"`]),
    ...(enabled === "enabled" && stateOf(output) === "" ? [`kubelet fails: ${lastError(output)}`] : []),
  ];
}

/** How it is, in words; empty when it should not be so. */
function stateOf(output: string): string {
  if (only(output, "SubState") === "running" && only(output, "NRestarts") === "0") return "running";
  if (only(output, "ActiveState") === "inactive" && only(output, "ConditionResult") === "no") return "waiting";
  return OF_THE_CLUSTER.test(lastError(output)) ? "waiting for a cluster's files" : "";
}

function lastError(output: string): string {
  return labelled(output, "error").at(-1) ?? `${only(output, "ActiveState")}, and its log does not say why`;
}

function only(output: string, label: string): string {
  return labelled(output, label)[0]?.trim() ?? "";
}
