import { judgeEach, labelled, linesOf, type Check, type CheckContext, type Subject } from "../check.ts";

const MIB = 1024 ** 2;

/** A filesystem's own metadata: at 2 GiB ext4 keeps 5 % for inode tables and journal, bigger disks less. */
const SMALLEST_SHARE = 0.9;

interface BlockDevice {
  readonly name: string;
  readonly parent: string;
  readonly type: string;
  readonly bytes: number;
}

/** Prints the root filesystem's size, and all block devices with theirs. */
export const rootFilesystemGrown: Check = {
  name: "root-filesystem-grown",
  proves: "Partitions fill the disk, and the root filesystem fills its partition.",
  timeoutMs: 30_000,
  probe: `
echo "root: $(( $(stat -f -c '%b * %S' /) ))"
lsblk -b -n -P -o NAME,PKNAME,TYPE,SIZE`,
  judge: (subjects, context) =>
    judgeEach(subjects, "the root filesystem fills the disk", (subject) => complain(subject, context)),
};

function complain({ output }: Subject, { disk }: CheckContext): string[] {
  const rootBytes = Number(labelled(output, "root")[0] ?? "0");
  const devices = linesOf(output).flatMap(parseDevice);
  const device = devices.find(({ type, bytes }) => type === "disk" && bytes === disk.virtualBytes);
  if (!device) return [`there is no disk of ${mib(disk.virtualBytes)}`];
  const parts = devices.filter(({ parent }) => parent === device.name);
  const partBytes = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const unused = parts.length === 0 ? 0 : device.bytes - partBytes;
  const home = parts.length === 0 ? device.bytes : Math.max(...parts.map(({ bytes }) => bytes));
  return [
    // The partition table, alignment and a rest that is not worth a partition.
    ...(unused > Math.max(64 * MIB, device.bytes * 0.01)
      ? [`${mib(unused)} of ${mib(device.bytes)} are in no partition`]
      : []),
    ...(rootBytes >= home * SMALLEST_SHARE
      ? []
      : [`the root filesystem has ${mib(rootBytes)} of the ${mib(home)} it could have`]),
  ];
}

function parseDevice(line: string): BlockDevice[] {
  const match = /^NAME="([^"]*)" PKNAME="([^"]*)" TYPE="([^"]*)" SIZE="(\d+)"/.exec(line);
  if (!match) return [];
  const [, name = "", parent = "", type = "", bytes = "0"] = match;
  return [{ name, parent, type, bytes: Number(bytes) }];
}

function mib(bytes: number): string {
  return `${String(Math.round(bytes / MIB))} MiB`;
}
