import type { ContainerRuntime } from "../../src/core/op.ts";
import { fail, labelled, pass, type Check, type CheckContext, type Subject } from "../check.ts";

/** Units by which container runtimes are started, and what crictl calls what answers. */
const RUNTIMES: Readonly<Record<string, ContainerRuntime>> = { containerd: "containerd", crio: "cri-o" };

/** Asks the way kubelet does where crictl is there. It may need a moment on an emulated machine: the boot has just ended. */
export const containerRuntimeAnswers: Check = {
  name: "container-runtime-answers",
  proves: "The container runtime starts with the node and answers.",
  timeoutMs: 180_000,
  probe: `
for unit in ${Object.keys(RUNTIMES).join(" ")}; do
  enabled=$(systemctl is-enabled "$unit.service" 2>/dev/null || true)
  case $enabled in ''|not-found) continue ;; esac
  echo "unit: $unit $enabled $(systemctl is-active "$unit.service" || true)"
done
if command -v crictl >/dev/null; then
  { timeout 120 crictl version 2>&1 || true; } | tail -n 20 | sed 's/^/crictl: /'
elif command -v ctr >/dev/null; then
  { timeout 120 ctr version 2>&1 || true; } | tail -n 20 | sed 's/^/ctr: /'
fi`,
  judge(subjects, context) {
    const complaints = subjects.flatMap((subject) =>
      complain(subject, context).map((text) => `${subject.name}: ${text}`),
    );
    if (complaints.length > 0) return fail(complaints);
    return pass(subjects.map(({ output }) => answerOf(output) ?? "").join(", "));
  },
};

function complain({ output }: Subject, { disk }: CheckContext): string[] {
  const units = labelled(output, "unit").map((line) => line.split(" "));
  if (units.length === 0) return ["there is no container runtime"];
  const names = units.map(([name = ""]) => RUNTIMES[name]);
  const answer = answerOf(output);
  return [
    ...units.flatMap(([name = "", enabled = "", active = ""]) => [
      ...(enabled === "enabled" ? [] : [`${name}.service is ${enabled}, so it does not start with the node`]),
      ...(active === "active" ? [] : [`${name}.service is ${active}`]),
    ]),
    ...(disk.images && !names.includes(disk.images.runtime)
      ? [`the build loaded images into ${disk.images.runtime}, which is not there`]
      : []),
    ...(answer === undefined ? [`no answer: ${lastWords(output)}`] : []),
  ];
}

/** `containerd 1.7.24`, as crictl or ctr tells it. */
function answerOf(output: string): string | undefined {
  const told = new Map(labelled(output, "crictl").map((line) => splitAt(line)));
  const [name, version] = [told.get("RuntimeName"), told.get("RuntimeVersion")];
  if (name !== undefined && version !== undefined) return `${name} ${version}`;
  const ctr = labelled(output, "ctr");
  const server = ctr.slice(ctr.findIndex((line) => line.startsWith("Server:")) + 1);
  const ctrVersion = ctr.length === server.length ? undefined : new Map(server.map(splitAt)).get("Version");
  return ctrVersion === undefined ? undefined : `containerd ${ctrVersion}`;
}

function splitAt(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}

function lastWords(output: string): string {
  return [...labelled(output, "crictl"), ...labelled(output, "ctr")].at(-1) ?? "neither crictl nor ctr is there";
}
