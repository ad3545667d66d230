import { fail, labelled, pass, type Check, type Subject, type Verdict } from "../check.ts";

/** What every node needs, whether a file asks for it or not: without it no pod reaches another node. */
const NEEDED = "net.ipv4.ip_forward";

/** Files in /etc are the template's; the distribution has its own elsewhere. A module may be part of the kernel. */
export const kernelSettings: Check = {
  name: "kernel-settings",
  proves: "The kernel modules and parameters that the disk asks for are there, and packets are forwarded.",
  timeoutMs: 60_000,
  probe: `
for file in /etc/modules-load.d/*.conf; do
  if [ -f "$file" ]; then sed -e 's/[#;].*//' -e 's/[[:space:]]//g' -e '/^$/d' "$file"; fi
done | sort -u | while read -r module; do
  if [ -d "/sys/module/$(echo "$module" | tr - _)" ] || modinfo -F filename "$module" 2>/dev/null | grep -qx '(builtin)'; then
    echo "loaded: $module"
  else
    echo "missing: $module"
  fi
done
echo "have: ${NEEDED}=$(sysctl -n ${NEEDED})"
for file in /etc/sysctl.d/*.conf; do
  if [ -f "$file" ]; then sed -n -e 's/^[[:space:]]*\\([a-z][^[:space:]=*]*\\)[[:space:]]*=[[:space:]]*/\\1=/p' "$file"; fi
done | while IFS='=' read -r key value; do
  echo "want: $key=$value"
  echo "have: $key=$(sysctl -n "$key" 2>&1 | head -n 1)"
done`,
  judge(subjects): Verdict {
    const complaints = subjects.flatMap((subject) => complain(subject).map((text) => `${subject.name}: ${text}`));
    if (complaints.length > 0) return fail(complaints);
    const [{ output } = { output: "" }] = subjects;
    const counts = [labelled(output, "loaded").length, settings(output, "want").size].map(String);
    return pass(`${counts.join(" modules, ")} parameters`);
  },
};

function complain({ output }: Subject): string[] {
  const have = settings(output, "have");
  const want = new Map([[NEEDED, "1"], ...settings(output, "want")]);
  return [
    ...labelled(output, "missing").map((module) => `module ${module} is not loaded`),
    ...[...want]
      .filter(([key, value]) => have.get(key) !== value)
      .map(([key, value]) => `${key} is "${have.get(key) ?? ""}", not "${value}"`),
  ];
}

/** By key; the last file that sets one wins. Blanks between several numbers are tabs in the kernel's answer. */
function settings(output: string, label: string): Map<string, string> {
  return new Map(
    labelled(output, label).map((line) => {
      const at = line.indexOf("=");
      return [
        line.slice(0, at),
        line
          .slice(at + 1)
          .trim()
          .replace(/\s+/g, " "),
      ];
    }),
  );
}
