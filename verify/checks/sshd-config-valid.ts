import { fail, linesOf, pass, type Check } from "../check.ts";

/** A running sshd says nothing about its next start: it read its configuration before sealing or first boot changed it. */
export const sshdConfigValid: Check = {
  name: "sshd-config-valid",
  proves: "sshd accepts its configuration and host keys, so it also comes up the next time.",
  timeoutMs: 30_000,
  probe: `
sshd=$(command -v sshd)
if "$sshd" -t; then echo valid; else echo "invalid: status $?"; fi`,
  judge(subjects) {
    const wrong = subjects.filter(({ output }) => linesOf(output).at(-1) !== "valid");
    if (wrong.length === 0) return pass("sshd -t accepts it");
    return fail(
      wrong.map(({ name, output }) => `${name}: sshd -t refuses it: ${linesOf(output)[0] ?? "no output"}`),
      wrong.flatMap(({ name, output }) => linesOf(output).map((line) => `${name}: ${line}`)),
    );
  },
};
