import { IDENTITY_FOLDER, SSHD_DROP_IN } from "../../src/machine/credentials.ts";
import { judgeEach, labelled, type Check, type CheckContext, type Subject } from "../check.ts";

/** The comment that every key made for a build begins with. */
const BUILD_KEY_MARKER = "kvci-build@";

/** Lists, labelled: paths of the build's identity, files that hold the marker, foreign cloud-init instances, accepted keys. */
export const buildIdentityAbsent: Check = {
  name: "build-identity-absent",
  proves:
    "Nothing on the disk lets the build's key in or tells of it: no key, no sshd setting, no cloud-init instance.",
  timeoutMs: 120_000,
  probe: `
for path in ${IDENTITY_FOLDER} ${SSHD_DROP_IN}; do
  if [ -e "$path" ]; then echo "path: $path"; fi
done
command -v grep >/dev/null
for place in /etc /root /home /usr/local /var/lib/cloud; do
  if [ -d "$place" ]; then grep -rlsF -e ${BUILD_KEY_MARKER} "$place" | head -n 20 | sed 's/^/marker: /'; fi
done
current=$(readlink -f /var/lib/cloud/instance || true)
for instance in /var/lib/cloud/instances/*; do
  if [ -d "$instance" ] && [ "$instance" != "$current" ]; then echo "instance: $instance"; fi
done
{ getent passwd | cut -d: -f6 | sort -u | sed 's|$|/.ssh|'; echo /etc/ssh; } | while read -r folder; do
  for file in "$folder"/authorized_keys*; do
    if [ -f "$file" ]; then sed "s|^|key: $file |" "$file"; fi
  done
done`,
  judge: (subjects, context) =>
    judgeEach(subjects, "no key, setting or cloud-init instance of the build", (subject) => complain(subject, context)),
};

function complain({ output }: Subject, { disk }: CheckContext): string[] {
  return [
    ...labelled(output, "path").map((path) => `${path} exists`),
    ...labelled(output, "marker").map((file) => `${file} holds "${BUILD_KEY_MARKER}"`),
    ...labelled(output, "instance").map((folder) => `${folder} is not of this boot`),
    ...labelled(output, "key")
      .filter((line) => isBuildKey(line, disk.buildKey))
      .map((line) => `${line.slice(0, line.indexOf(" "))} lets the build's key in`),
  ];
}

/** The comment may have been cut off, so the key itself counts. */
function isBuildKey(line: string, buildKey: string | undefined): boolean {
  const body = buildKey?.split(" ")[1];
  return body !== undefined && body !== "" && line.includes(body);
}
