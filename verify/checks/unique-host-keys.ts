import { fail, linesOf, pass, type Check, type Subject } from "../check.ts";

type HostKeys = ReadonlyMap<string, string>;

/** The place must not have cloud-init replace keys that came with the disk, or this would prove cloud-init, not the disk. */
export const uniqueHostKeys: Check = {
  name: "unique-host-keys",
  proves: "Every machine made from the disk makes SSH host keys of its own; none came with the disk.",
  timeoutMs: 30_000,
  probe: 'for file in /etc/ssh/ssh_host_*_key.pub; do if [ -f "$file" ]; then cat "$file"; fi; done',
  judge(subjects) {
    const keys = subjects.map(hostKeys);
    const types = [...new Set(keys.flatMap((map) => [...map.keys()]))].sort();
    const complaints = [
      ...(subjects.length < 2 ? ["one clone alone cannot show that keys differ"] : []),
      ...(types.length === 0 ? ["there are no SSH host keys"] : []),
      ...types.flatMap((type) => compare(type, subjects, keys)),
    ];
    return complaints.length === 0 ? pass(`different in every type: ${types.join(", ")}`) : fail(complaints);
  },
};

function hostKeys({ output }: Subject): HostKeys {
  return new Map(
    linesOf(output).map((line) => {
      const [type = "", body = ""] = line.split(" ");
      return [type, body];
    }),
  );
}

function compare(type: string, subjects: readonly Subject[], keys: readonly HostKeys[]): string[] {
  const missing = subjects
    .filter((_, index) => !keys[index]?.get(type))
    .map(({ name }) => `${name}: has no ${type} host key`);
  const bodies = keys.flatMap((map) => map.get(type) ?? []);
  return new Set(bodies).size === bodies.length ? missing : [...missing, `clones share their ${type} host key`];
}
