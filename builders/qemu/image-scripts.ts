import type { ContainerRuntime } from "../../src/core/op.ts";

/** Exit statuses of the scripts, beside those of the programs that they run. */
export const IMPORT_STATUS = { noDisk: 81, noRuntime: 82, notStarted: 83, noAnswer: 84 } as const;

/** What differs between the runtimes. */
export interface RuntimeScripts {
  /** Of systemd. */
  readonly unit: string;
  readonly socket: string;
  /** A command that is there when the runtime is. */
  readonly command: string;
  /**
   * Arguments: the disk's serial number, the architecture, seconds until the runtime must answer. On standard input a line per name:
   * the name, the digest it stands for, the platform's manifest.
   */
  readonly importing: string;
  /** Prints a line `name digest` per name that is listed, where `crictl` is not there to be asked. The same lines on standard input. */
  readonly listing: string;
}

/**
 * Finds the disk by its serial number, page 0x80 of the vital product data. Four bytes stand before it. udev's links would do,
 * where its rules are installed.
 */
const FIND_DISK = `
serial=$1 arch=$2 seconds=$3
modprobe -a virtio_scsi sd_mod 2> /dev/null
find_disk() {
  for each in /sys/block/sd*; do
    [ -e "$each/device/vpd_pg80" ] || continue
    [ "$(tail -c +5 "$each/device/vpd_pg80" | tr -d '\\0 ')" = "$serial" ] || continue
    [ -b "/dev/\${each##*/}" ] && echo "/dev/\${each##*/}" && return
  done
  return 1
}
tries=100
until disk=$(find_disk); do
  tries=$((tries - 1)); [ "$tries" -gt 0 ] || exit ${String(IMPORT_STATUS.noDisk)}
  sleep 0.1
done`;

/**
 * Between import and `FINISH`, in memory that a restart empties: `ours` says that the runtime is ours to stop, `active` that it ran
 * before; `1`, `2`, … are files that are in memory for a while, and `bound` says where they belong.
 */
const STATE = "/run/kvci-build-runtime";

function startUnit(unit: string, answers: string): string {
  return `
mkdir -p -m 700 ${STATE}
if ! systemctl is-active --quiet ${unit}; then
  : > ${STATE}/ours
  systemctl start ${unit} || { systemctl --no-pager --lines=20 status ${unit} >&2; exit ${String(IMPORT_STATUS.notStarted)}; }
fi
end=$(( $(cut -d. -f1 /proc/uptime) + seconds ))
until answer=$(${answers} 2>&1); do
  [ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ] || { echo "$answer" >&2; exit ${String(IMPORT_STATUS.noAnswer)}; }
  sleep 0.2
done`;
}

const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";
const CTR = `ctr --address ${CONTAINERD_SOCKET} --namespace k8s.io`;
/** By this label the CRI plugin knows its images. It sets it itself, some time after the import of each. */
const MANAGED = "io.cri-containerd.image=managed";

/** containerd's root, as its configuration says it. */
const CONTAINERD_ROOT = `root=$(awk -F '"' '/^[[]/ { exit } /^root *=/ { print $2 }' /etc/containerd/config.toml 2> /dev/null)
root=\${root:-/var/lib/containerd}`;

/** Stops a containerd that runs, and remembers to start it again; what it had started goes on. */
const STOP_CONTAINERD = `
rm -rf ${STATE}
mkdir -m 700 ${STATE} || exit
if systemctl is-active --quiet containerd.service; then
  : > ${STATE}/active
  systemctl stop containerd.service
fi`;

/** Below containerd's root, where images are unpacked for the overlay snapshotter. */
const SNAPSHOTTER = "io.containerd.snapshotter.v1.overlayfs";
export const CONTAINERD_DATABASES = ["io.containerd.metadata.v1.bolt/meta.db", `${SNAPSHOTTER}/metadata.db`] as const;

/**
 * Has containerd stand still and prints its two databases, a line `database` before each: nothing behind it where there is none.
 * Prints nothing at all where another snapshotter is configured, whose snapshots are no folders that could be unpacked, or where the
 * guest has nothing to unpack with.
 */
export const READ_DATABASES = `
command -v ctr > /dev/null || exit ${String(IMPORT_STATUS.noRuntime)}
${STOP_CONTAINERD}
other=$(awk -F '"' '/^ *snapshotter *=/ && $2 != "overlayfs" { print $2 }' /etc/containerd/config.toml 2> /dev/null)
[ -z "$other" ] && command -v tar > /dev/null && command -v base64 > /dev/null || exit 0
${CONTAINERD_ROOT}
for database in ${CONTAINERD_DATABASES.join(" ")}; do
  echo database
  [ ! -e "$root/$database" ] || base64 "$root/$database" || exit
done`;

/**
 * Unpacks `$disk` into containerd's root, `$root`. Its folders have the modes that containerd gives them; directories get theirs when
 * all is in them.
 */
export const UNPACK = `
umask 022
mkdir -p -m 711 "$root" && mkdir -p -m 711 "$root/io.containerd.metadata.v1.bolt" || exit
mkdir -p -m 700 "$root/${SNAPSHOTTER}" && mkdir -p -m 700 "$root/${SNAPSHOTTER}/snapshots" || exit
tar --extract --file "$disk" --directory "$root" --numeric-owner --preserve-permissions --delay-directory-restore \\
  --xattrs --xattrs-include='*' || exit`;

/** Fills containerd's store from the disk, with names for SELinux as its policy has them: tar is not what containerd is. */
export const UNPACK_STORE = `${FIND_DISK}
${CONTAINERD_ROOT}
${UNPACK}
if command -v selinuxenabled > /dev/null && selinuxenabled; then restorecon -R -F "$root" || exit; fi
${startUnit("containerd.service", `${CTR} version`)}`;

/**
 * containerd flushes its databases some eighty times per image, and an emulated guest spends more time on that than on the images.
 * Nothing of it has to survive a crash, so they are in memory until the import is over; content and snapshots go to the disk. It
 * stands still since its databases were read.
 */
const DATABASES_IN_MEMORY = `
${CONTAINERD_ROOT}
number=0
for database in ${CONTAINERD_DATABASES.join(" ")}; do
  database=$root/$database number=$((number + 1))
  mkdir -p -m 711 "\${database%/*/*}" && mkdir -p -m 700 "\${database%/*}" || exit
  [ -e "$database" ] || : > "$database"
  cp -p "$database" ${STATE}/$number || exit
  chcon --reference="$database" ${STATE}/$number 2> /dev/null
  mount --bind ${STATE}/$number "$database" && echo "$database" >> ${STATE}/bound || exit
done`;

/**
 * Imported images are unpacked, because the CRI plugin passes over those that are not. The platform is named: else content of
 * others is missed, of 32-bit arm on arm64 for example. Where the CRI plugin runs, it is waited for: it also gives every image the
 * name by which containers refer to it. Labels that it left out in half a minute are set one by one.
 */
const containerd: RuntimeScripts = {
  unit: "containerd.service",
  socket: `unix://${CONTAINERD_SOCKET}`,
  command: "ctr",
  importing: `${FIND_DISK}
names=$(mktemp /run/kvci-build-names.XXXXXX) || exit
trap 'rm -f "$names"' EXIT
cat > "$names"
${DATABASES_IN_MEMORY}
${startUnit("containerd.service", `${CTR} version`)}
${CTR} images import --platform "linux/$arch" "$disk" || exit
${CTR} plugins ls | awk '$2 == "cri" && $NF == "ok" { found = 1 } END { exit !found }' || exit 0
unmanaged() {
  ${CTR} images ls --quiet 'labels."io.cri-containerd.image"==managed' |
    awk 'NR == FNR { left[$1]; next } { delete left[$1] } END { for (name in left) print name }' "$names" -
}
tries=60
while [ -n "$(unmanaged)" ] && [ "$tries" -gt 0 ]; do tries=$((tries - 1)); sleep 0.5; done
for name in $(unmanaged); do ${CTR} images label "$name" ${MANAGED} || exit; done`,
  // The server looks for name and digest. Columns of a list are slow: for them the content of every image is read.
  listing: `
lines=$(cat)
set --
while read -r name digest manifest; do set -- "$@" "name==\\"$name\\",target.digest==\\"$digest\\""; done << END
$lines
END
found=$(${CTR} images ls --quiet "$@") || exit
printf '%s\\n' "$lines" "$found" | awk 'NF == 3 { digest[$1] = $2; next } $1 in digest { print $1, digest[$1] }'`,
};

const CRIO_SOCKET = "unix:///var/run/crio/crio.sock";

/**
 * CRI-O's store is that of containers-storage, which skopeo fills without it. The archive is unpacked once, and each image is given
 * to skopeo as a folder (`dir:`): it reads archives of OCI's only, not those with manifests in Docker's format. A name by digest
 * comes with the one by tag, because the store remembers what the image was copied from.
 */
export const FILL_CONTAINERS_STORAGE = `
folder=$(mktemp -d /var/tmp/kvci-build-images.XXXXXX) || exit
trap 'rm -rf "$folder"' EXIT
tar -x -f "$disk" -C "$folder" || exit
blob() { echo "$folder/blobs/$(echo "$1" | tr : /)"; }
number=0
while read -r name digest manifest; do
  number=$((number + 1)) image=$folder/image-$number
  mkdir "$image" || exit
  ln -s "$(blob "$digest")" "$image/manifest.json"
  ln -s "$(blob "$manifest")" "$image/\${manifest#sha256:}.manifest.json"
  for part in $(grep -o 'sha256:[0-9a-f]*' "$(blob "$manifest")"); do
    ln -sf "$(blob "$part")" "$image/\${part#sha256:}"
  done
  printf '%s %s\\n' "dir:$image" "containers-storage:$name"
done > "$folder/copies"
xargs -n 2 -P 4 skopeo --insecure-policy --override-arch "$arch" copy --quiet --preserve-digests < "$folder/copies" || exit`;

const crio: RuntimeScripts = {
  unit: "crio.service",
  socket: CRIO_SOCKET,
  command: "skopeo",
  importing: `${FIND_DISK}
${FILL_CONTAINERS_STORAGE}
command -v crictl > /dev/null || exit 0
${startUnit("crio.service", `crictl --runtime-endpoint ${CRIO_SOCKET} version`)}`,
  listing: `while read -r name digest manifest; do
  printf '%s sha256:%s\\n' "$name" "$(skopeo --insecure-policy inspect --raw "containers-storage:$name" | sha256sum | cut -d' ' -f1)"
done`,
};

export const RUNTIMES: Readonly<Record<ContainerRuntime, RuntimeScripts>> = { containerd, "cri-o": crio };

/**
 * Stops the runtime unless it was running before and is still, puts its databases on the disk, starts it when it ran before, and lets
 * go of the disk with the images: from the guest's side before it is pulled, as an administrator would. Arguments: the disk's serial
 * number, the unit.
 */
export const FINISH = `
serial=$1 unit=$2
[ -e ${STATE}/ours ] && systemctl stop "$unit"
if [ -e ${STATE}/bound ]; then
  number=0
  while read -r database; do
    number=$((number + 1))
    umount "$database" && cat ${STATE}/$number > "$database" || exit
  done < ${STATE}/bound
fi
[ -e ${STATE}/active ] && systemctl start "$unit"
rm -rf ${STATE}
for each in /sys/block/sd*; do
  [ -e "$each/device/vpd_pg80" ] || continue
  [ "$(tail -c +5 "$each/device/vpd_pg80" | tr -d '\\0 ')" = "$serial" ] && echo 1 > "$each/device/delete"
done
true`;
