import { judgeEach, labelled, type Check } from "../check.ts";

export const noWorldWritableEtc: Check = {
  name: "no-world-writable-etc",
  proves: "No file or folder under /etc can be changed by everybody.",
  timeoutMs: 60_000,
  probe: `
command -v find >/dev/null
find /etc -xdev ! -type l -perm -0002 2>/dev/null | head -n 50 | sed 's/^/writable: /'`,
  judge: (subjects) =>
    judgeEach(subjects, "nothing under /etc is writable by everybody", ({ output }) =>
      labelled(output, "writable").map((path) => `${path} can be changed by everybody`),
    ),
};
