import { judgeEach, labelled, type Check } from "../check.ts";
import { BOOT_TIME } from "../boot-time.ts";

/**
 * A timer may have filled a cache since the boot, with files that carry the mirror's dates. The time of the last inode
 * change cannot be set from outside, so it tells what came with the disk.
 */
export const packageCachesEmpty: Check = {
  name: "package-caches-empty",
  proves: "The disk carries no downloaded packages and no package lists.",
  timeoutMs: 60_000,
  probe: `
${BOOT_TIME}
command -v find >/dev/null
for folder in /var/cache/apt /var/lib/apt/lists /var/cache/dnf /var/cache/libdnf5 /var/cache/yum; do
  if [ -d "$folder" ]; then
    find "$folder" -xdev -type f -size +0c ! -newerct "@$boot" 2>/dev/null | head -n 20 | sed 's/^/cached: /'
  fi
done`,
  judge: (subjects) =>
    judgeEach(subjects, "no packages and no package lists", ({ output }) =>
      labelled(output, "cached").map((path) => `${path} came with the disk`),
    ),
};
