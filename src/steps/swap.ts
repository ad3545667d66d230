import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { lines, shell } from "./script.ts";

/** Leaves the node without swap, which kubelet refuses to start with unless told otherwise. Takes effect at the next boot. */
export function swapOff(): Step<ImageOp> {
  return { name: "swap-off", ops: ({ family }) => (family === "dnf" ? [...commonOps(), zramOff()] : commonOps()) };
}

function commonOps(): readonly ImageOp[] {
  const swapLine = "^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]]";
  return [
    shell("if [ -e /etc/fstab ]; then", `  sed -i -E '/${swapLine}/ s/^/# off for Kubernetes: /' /etc/fstab`, "fi"),
    // Every swap unit hangs on this target, also those that systemd makes from a swap partition it finds by itself.
    run("systemctl", "mask", "swap.target"),
  ];
}

/** An empty file in /etc hides the one in /usr/lib that gives Fedora its compressed swap in memory. */
function zramOff(): ImageOp {
  return writeFile(
    "/etc/systemd/zram-generator.conf",
    lines("# Empty on purpose: no swap in memory on a Kubernetes node."),
  );
}
