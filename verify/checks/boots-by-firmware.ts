import { fail, linesOf, pass, type Check, type Subject } from "../check.ts";

/** Place and survey did the work when this is judged: what is left to see is that it was the firmware that was asked for. */
export const bootsByFirmware: Check = {
  name: "boots-by-firmware",
  proves: "Firmware and the disk's own boot loader start it, without a kernel from outside, and it answers a command.",
  timeoutMs: 30_000,
  probe: "if [ -d /sys/firmware/efi ]; then echo uefi; else echo bios; fi; cat /proc/cmdline",
  judge(subjects, { disk }) {
    const wrong = subjects.filter((subject) => firmwareOf(subject) !== disk.firmware);
    const lines = subjects.map(
      (subject) => `${subject.name}: ${linesOf(subject.output)[1] ?? "no kernel command line"}`,
    );
    if (wrong.length === 0) return pass(`by ${disk.firmware} in ${subjects.map(bootTime).join(" and ")}`, lines);
    return fail(
      wrong.map((subject) => `${subject.name}: booted by ${firmwareOf(subject)}, not by ${disk.firmware}`),
      lines,
    );
  },
};

function firmwareOf(subject: Subject): string {
  return linesOf(subject.output)[0] ?? "unknown firmware";
}

function bootTime(subject: Subject): string {
  return `${(subject.bootMs / 1000).toFixed(1)} s`;
}
