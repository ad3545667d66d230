import { fail, labelled, pass, type Check, type Subject, type Verdict } from "../check.ts";

/** Declared is what fstab names and what swap units in /etc name; a generator's swap, as Fedora's in memory, is not. */
export const swapAsDeclared: Check = {
  name: "swap-as-declared",
  proves: "There is no swap but what the disk declares, and that is on: kubelet refuses to start beside any other.",
  timeoutMs: 60_000,
  probe: `
tail -n +2 /proc/swaps | awk '{ print "on: " $1 }'
if [ -f /etc/fstab ]; then
  awk '$1 !~ /^#/ && $3 == "swap" && $4 !~ /(^|,)noauto(,|$)/ { print $1 }' /etc/fstab | while read -r source; do
    echo "declared: $(readlink -f "$(findfs "$source" 2>/dev/null || echo "$source")")"
  done
fi
for unit in /etc/systemd/system/*.swap; do
  if [ -s "$unit" ] && [ "$(systemctl is-enabled "\${unit##*/}" 2>/dev/null)" = enabled ]; then
    echo "declared: $(readlink -f "$(sed -n 's/^What=//p' "$unit")")"
  fi
done`,
  judge(subjects): Verdict {
    const complaints = subjects.flatMap((subject) => complain(subject).map((text) => `${subject.name}: ${text}`));
    if (complaints.length > 0) return fail(complaints);
    const on = [...new Set(subjects.flatMap(({ output }) => labelled(output, "on")))];
    return pass(on.length === 0 ? "no swap, and none declared" : `${on.join(", ")}, as declared`);
  },
};

function complain({ output }: Subject): string[] {
  const on = labelled(output, "on");
  const declared = labelled(output, "declared");
  return [
    ...on.filter((name) => !declared.includes(name)).map((name) => `${name} is swapped to, which nothing declares`),
    ...declared.filter((name) => !on.includes(name)).map((name) => `${name} is declared as swap but not on`),
  ];
}
