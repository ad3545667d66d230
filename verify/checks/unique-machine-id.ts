import { fail, linesOf, pass, type Check, type Subject } from "../check.ts";

/** Addresses (DHCP client ids), journals and the kubelet's node identity come from it. */
export const uniqueMachineId: Check = {
  name: "unique-machine-id",
  proves: "Every machine made from the disk gets a machine-id of its own, which is not the build's.",
  timeoutMs: 30_000,
  probe: `
cat /etc/machine-id
if [ -e /var/lib/dbus/machine-id ]; then cat /var/lib/dbus/machine-id; fi`,
  judge(subjects, { disk }) {
    const lines = subjects.map((subject) => `${subject.name}: ${linesOf(subject.output).join(" ")}`);
    const complaints = [
      ...subjects.flatMap((subject) => complain(subject, disk.buildMachineId)),
      ...(subjects.length < 2 ? ["one clone alone cannot show that ids differ"] : []),
      ...shared(subjects),
    ];
    return complaints.length === 0
      ? pass(`${String(subjects.length)} clones, as many ids`, lines)
      : fail(complaints, lines);
  },
};

function complain({ name, output }: Subject, buildId: string | undefined): string[] {
  const [id = "", dbusId = id] = linesOf(output);
  const complaints = [
    ...(/^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id) ? [] : [`"${id}" is not a machine-id`]),
    ...(id !== "" && id === buildId ? ["the machine-id is the build's"] : []),
    ...(dbusId === id ? [] : ["D-Bus has another machine-id than /etc/machine-id"]),
  ];
  return complaints.map((text) => `${name}: ${text}`);
}

function shared(subjects: readonly Subject[]): string[] {
  const ids = subjects.map((subject) => linesOf(subject.output)[0] ?? "");
  return new Set(ids).size === ids.length ? [] : ["clones share their machine-id"];
}
