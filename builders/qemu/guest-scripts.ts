import { KvciError } from "../../src/core/error.ts";
import { lastLines } from "../../src/host/last-lines.ts";
import type { Machine } from "../../src/machine/machine.ts";
import { RELAY_FILE } from "../../src/steps/locked-packages.ts";

export interface ScriptOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A restored guest may know another one. */
const PLACE_RELAY = `
if [ -n "$relay" ]; then echo "$relay" > ${RELAY_FILE}; else rm -f ${RELAY_FILE}; fi`;

/**
 * Run after every boot. cloud-init goes on after sshd answers, would undo what sealing removes, and keeps the seed with the build's
 * keys on the disk. Timers would start updates, whose lock steps would wait for and whose changes nobody asked for. The journal
 * goes on in memory, so that no layer holds it. What is deleted is overwritten first: the disk gives back whole clusters of 64 KiB
 * only, and a deleted block that shares one with others stays in the layer as it was.
 */
const SETTLE = `relay=$1${PLACE_RELAY}
if [ ! -e /run/cloud-init/disabled ] && command -v cloud-init > /dev/null; then
  cloud-init status --wait > /dev/null
  rm -rf /var/lib/cloud/* /var/log/cloud-init*.log
fi
systemctl stop '*.timer' apt-daily.service apt-daily-upgrade.service dnf-makecache.service 2> /dev/null
journalctl --relinquish-var > /dev/null 2>&1
find /var/log/journal -type f -exec shred --iterations=0 --zero {} + 2> /dev/null
rm -rf /var/log/journal/*
true`;

/**
 * Run before a layer is closed: it is worth shipping when nothing of the build is in it. What a step deleted is given back to
 * the disk, or its bytes would stay in the layer; logs are emptied, not deleted, because services hold them open.
 */
const TIDY = `
[ -e /run/kvci-build/host_key ] && rm -f /etc/ssh/ssh_host_*
find /var/log -xdev -type f -size +0 -exec shred --iterations=0 --zero {} + -exec truncate --size=0 {} +
rm -f /root/.bash_history /root/.wget-hsts
rm -rf /root/.cache
sync
fstrim --all > /dev/null 2>&1
true`;

/**
 * Run after memory was restored: the clock stands where it was saved, and so does the random number generator where the kernel
 * knows no generation id. 0x5207 is RNDRESEEDCRNG of linux/random.h. Timers stop first: the leap would set them all off.
 */
const WAKE = `relay=$3${PLACE_RELAY}
systemctl stop '*.timer' 2> /dev/null
date --utc --set "@$1" > /dev/null
printf %s "$2" > /dev/urandom
if [ ! -e /sys/bus/acpi/drivers/vmgenid ]; then
  perl -e 'open(my $f, ">", "/dev/random") and ioctl($f, 0x5207, 0)' 2> /dev/null ||
    python3 -c 'import fcntl; fcntl.ioctl(open("/dev/random", "w"), 0x5207)' 2> /dev/null
fi
date --utc +%s`;

/** How far the guest's clock may be off after it was set; the answer travels for some time. */
const CLOCK_SECONDS = 10;

/**
 * Waits until a boot has settled, well or not, and takes what it left on the disk.
 *
 * @param options.relay the URL that the guest's packages come by, if they do not come directly.
 */
export async function settle(
  machine: Machine,
  { relay = "", ...options }: ScriptOptions & { readonly relay?: string | undefined },
): Promise<void> {
  await runScript(machine, { name: "settling the boot", script: SETTLE, args: [relay] }, options);
}

/** Removes what no layer is to hold and flushes everything to the disk. */
export async function tidy(machine: Machine, options: ScriptOptions): Promise<void> {
  await runScript(machine, { name: "closing the layer", script: TIDY, args: [] }, options);
}

/**
 * Brings a restored guest into the present, and checks that it executes commands and knows the time.
 *
 * @param now milliseconds since the epoch, asked when the command is sent.
 * @param entropy hexadecimal digits, of the host's random numbers.
 * @param relay the URL that its packages come by from now on, if they do not come directly.
 * @throws {KvciError} `guest-not-ready` when its clock is wrong afterwards
 */
export async function wake(
  machine: Machine,
  { now, entropy, relay = "" }: Present,
  options: ScriptOptions,
): Promise<void> {
  const script = { name: "waking the guest", script: WAKE, args: [(now() / 1000).toFixed(3), entropy, relay] };
  const output = await runScript(machine, script, options);
  const seconds = Number(output.trim().split("\n").at(-1));
  if (Math.abs(now() / 1000 - seconds) < CLOCK_SECONDS) return;
  throw new KvciError("guest-not-ready", `the restored guest's clock says ${output.trim()}`, {
    hint: "The layer is booted instead.",
  });
}

/** What a restored guest cannot know. */
export interface Present {
  readonly now: () => number;
  readonly entropy: string;
  readonly relay?: string | undefined;
}

async function runScript(
  machine: Machine,
  { name, script, args }: { readonly name: string; readonly script: string; readonly args: readonly string[] },
  options: ScriptOptions,
): Promise<string> {
  const result = await machine.exec(["sh", "-c", script, "kvci-build", ...args], options);
  if (result.exitCode === 0) return result.stdout;
  throw new KvciError("command-failed", `${name} exited ${String(result.exitCode)}`, {
    hint: "The guest may be out of memory, or its disk full; see its console log.",
    evidence: lastLines(`${result.stdout}\n${result.stderr}`, 10),
  });
}
