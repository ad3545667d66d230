import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import { lines } from "./script.ts";

/** Programs of ours in the node. */
const BIN = "/usr/libexec/kvci-build";

/** cloud-init grows partitions in this stage, and its name changed in 24.3. */
const CLOUD_INIT = ["cloud-init.service", "cloud-init-network.service"];
/** What a node offers, disk space among it, must stand before these look. */
const KUBERNETES = ["containerd.service", "crio.service", "kubelet.service"];

/** Something that a node does by itself at every boot: a script that has nothing to do when it was done before. */
export interface BootUnit {
  /** The unit is `kvci-<name>.service`, the script /usr/libexec/kvci-build/<name>. */
  readonly name: string;
  readonly description: string;
  /** Lines after `#!/bin/sh`. */
  readonly script: readonly string[];
  /** Arguments without blanks. */
  readonly args?: readonly string[];
  /** Units that come first, beside cloud-init's, where they are started at all. */
  readonly after?: readonly string[];
  /** Units that wait for it, beside the container runtime and kubelet. */
  readonly before?: readonly string[];
  readonly timeoutSeconds: number;
  /** Other units pull it in: it is not enabled by itself. */
  readonly onDemand?: boolean;
}

/** The service of a boot unit of that name. */
export function bootUnitName(name: string): string {
  return `kvci-${name}.service`;
}

/** Script and unit; it does not run in the machine that builds the image. */
export function bootUnit(unit: BootUnit): readonly ImageOp[] {
  return [
    writeFile(`${BIN}/${unit.name}`, lines("#!/bin/sh", ...unit.script), { mode: 0o755 }),
    writeFile(`/etc/systemd/system/${bootUnitName(unit.name)}`, unitFile(unit)),
    ...(unit.onDemand ? [] : [run("systemctl", "enable", bootUnitName(unit.name))]),
  ];
}

function unitFile({ name, description, args = [], timeoutSeconds, onDemand = false, ...order }: BootUnit): string {
  return lines(
    "[Unit]",
    `Description=${description}`,
    `After=${[...CLOUD_INIT, ...(order.after ?? [])].join(" ")}`,
    `Before=${[...(order.before ?? []), ...KUBERNETES].join(" ")}`,
    "# Not in the machine that builds the image.",
    "ConditionPathExists=!/run/kvci-build",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    `ExecStart=${[`${BIN}/${name}`, ...args].join(" ")}`,
    `TimeoutStartSec=${String(timeoutSeconds)}`,
    "StandardOutput=journal+console",
    "StandardError=journal+console",
    ...(onDemand ? [] : ["", "[Install]", "WantedBy=multi-user.target"]),
  );
}
