import { judgeEach, labelled, linesOf, type Check, type Subject } from "../check.ts";
import { BOOT_TIME } from "../boot-time.ts";

/**
 * Old is what was last written before this boot. Empty files count as clean: distributions ship some. A cloud-init log
 * is appended to at boot and so looks new; the starts of cloud-init in it are counted instead.
 */
export const noOldLogs: Check = {
  name: "no-old-logs",
  proves: "The first boot's journal is the first: no log, journal or shell history is older than the boot.",
  timeoutMs: 120_000,
  probe: `
${BOOT_TIME}
command -v find >/dev/null
find /var/log -xdev -type f -size +0c ! -newermt "@$boot" 2>/dev/null | head -n 50 | sed 's/^/old: /'
id=$(cat /etc/machine-id)
for folder in /var/log/journal/*; do
  if [ -d "$folder" ] && [ "\${folder##*/}" != "$id" ]; then echo "old: $folder"; fi
done
if [ -f /var/log/cloud-init.log ]; then
  echo "cloud-init: $(grep -c "running 'init-local'" /var/log/cloud-init.log || true)"
fi
getent passwd | cut -d: -f6 | sort -u | while read -r home; do
  for file in "$home"/.*_history "$home"/.lesshst "$home"/.viminfo; do
    if [ -s "$file" ]; then echo "history: $file"; fi
  done
done
journalctl --list-boots --no-pager | sed 's/^/boot: /'`,
  judge: (subjects) => judgeEach(subjects, "one boot in the journal, no older log, no shell history", complain),
};

function complain({ output }: Subject): string[] {
  // Newer versions print a heading; a boot is a number and a 128-bit id.
  const boots = linesOf(output).filter((line) => /^boot: +-?\d+ [0-9a-f]{32}\b/.test(line));
  const starts = Number(labelled(output, "cloud-init")[0] ?? "0");
  return [
    ...labelled(output, "old").map((path) => `${path} is older than this boot`),
    ...labelled(output, "history").map((path) => `${path} holds what somebody typed`),
    ...(starts > 1 ? [`/var/log/cloud-init.log tells of ${String(starts)} boots`] : []),
    ...(boots.length === 1 ? [] : [`the journal knows ${String(boots.length)} boots, not 1`]),
  ];
}
