import { fail, judgeEach, labelled, linesOf, type Check, type Subject, type Verdict } from "../check.ts";

/** Seconds that the first boot may take to settle, cloud-init and the template's first-boot unit included; two clones under TCG share the host. */
const SETTLE_S = 300;

/**
 * Comes before the checks that look at what the first boot leaves behind, because it waits for the boot to end.
 * `is-system-running --wait` has no deadline of its own.
 */
export const noFailedUnits: Check = {
  name: "no-failed-units",
  proves: "The first boot comes to its end, and no unit failed on the way.",
  timeoutMs: (SETTLE_S + 60) * 1000,
  probe: `
timeout ${String(SETTLE_S)} systemctl is-system-running --wait >/dev/null 2>&1 || true
state=$(systemctl is-system-running || true)
echo "state: \${state:-unknown}"
systemctl list-units --failed --plain --no-legend --no-pager | while read -r unit rest; do
  echo "unit: $unit"
  journalctl -b -u "$unit" -n 8 --no-pager -o cat 2>&1 | cut -c1-300 | sed 's/^/  /'
done
case $state in
  starting|initializing) systemctl list-jobs --plain --no-legend --no-pager | head -n 20 | sed 's/^/job: /' ;;
esac`,
  judge(subjects): Verdict {
    const verdict = judgeEach(subjects, "the system is running, no unit failed", complain);
    if (verdict.ok) return verdict;
    const logs = subjects.flatMap((subject) => linesOf(subject.output).map((line) => `${subject.name}: ${line}`));
    return fail(
      subjects.flatMap((subject) => complain(subject).map((text) => `${subject.name}: ${text}`)),
      logs,
    );
  },
};

function complain({ output }: Subject): string[] {
  const units = labelled(output, "unit").map((unit) => `${unit} failed`);
  const state = labelled(output, "state")[0] ?? "unknown";
  if (units.length > 0 || state === "running") return units;
  const jobs = labelled(output, "job");
  return [`the system is "${state}"${jobs.length === 0 ? "" : `, ${String(jobs.length)} jobs not done`}`];
}
