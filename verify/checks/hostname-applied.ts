import { judgeEach, linesOf, type Check, type Subject } from "../check.ts";

export const hostnameApplied: Check = {
  name: "hostname-applied",
  proves: "The name that the cloud gives a machine takes effect: nothing from the build holds on to another.",
  timeoutMs: 30_000,
  probe: "uname -n; if [ -f /etc/hostname ]; then cat /etc/hostname; fi",
  judge: (subjects) => judgeEach(subjects, subjects.map(({ name }) => name).join(", "), complain),
};

/** A domain may follow; what counts is the first label. */
function complain({ name, output }: Subject): string[] {
  const [live = "", stored = live] = linesOf(output);
  return [
    ...(label(live) === name ? [] : [`is called "${live}"`]),
    ...(label(stored) === name ? [] : [`/etc/hostname says "${stored}"`]),
  ];
}

function label(hostname: string): string | undefined {
  return hostname.split(".")[0];
}
