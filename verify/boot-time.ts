/**
 * Shell: sets `boot` to the second since the epoch before which everything is older than this boot. The kernel's boot
 * time moves when the clock is set; ten seconds allow for that, and firmware and boot loader take longer than the rest.
 */
export const BOOT_TIME = `boot=$(awk '$1 == "btime" { print $2 - 10 }' /proc/stat); test -n "$boot"`;
