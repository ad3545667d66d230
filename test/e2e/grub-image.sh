#!/bin/sh
# Makes a Debian 12 cloud image the way Debian lays its own out: GPT, root as partition 1, a BIOS boot partition 14, the
# ESP as partition 15 with GRUB, whose configuration there leads to the one on the root; cloud-init decides the rest.
# usage: grub-image.sh OUTPUT.qcow2 (in an empty folder, as root; leaves only the output)
set -eu

output=$1
root_uuid=0a1b2c3d-0000-4000-8000-00000000feed
esp_id=CAFE-0012
mib=1048576
root_start=$((131072 * 512))

# shellcheck disable=SC2016 # $1 is the hook's argument, the new tree
mmdebstrap --variant=minbase --format=null \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --include=linux-image-cloud-amd64,systemd-sysv,systemd-resolved,libpam-systemd,dbus,udev,openssh-server,cloud-init,cloud-guest-utils,fdisk,iproute2,netbase,ca-certificates,grub-efi-amd64-signed,grub2-common,grub-efi-amd64-bin \
  --customize-hook='rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/hostname; : >"$1"/etc/machine-id' \
  --customize-hook='chroot "$1" systemctl enable systemd-networkd' \
  --customize-hook="sh -ec '
    cd \"\$1\"
    kernel=\$(ls boot/vmlinuz-*) initrd=\$(ls boot/initrd.img-*)
    printf \"UUID=$root_uuid / ext4 rw,discard,errors=remount-ro 0 1\nUUID=$esp_id /boot/efi vfat defaults 0 0\n\" >etc/fstab
    mkdir -p boot/efi boot/grub etc/default/grub.d
    echo LANG=C.UTF-8 >etc/default/locale
    printf \"GRUB_CMDLINE_LINUX=\\\"console=tty0 console=ttyS0,115200\\\"\nGRUB_TIMEOUT=0\n\" >etc/default/grub.d/10_cloud.cfg
    printf \"set timeout=0\nmenuentry Debian {\n  search --no-floppy --fs-uuid --set=root $root_uuid\n  linux /%s root=UUID=$root_uuid ro console=tty0 console=ttyS0,115200\n  initrd /%s\n}\n\" \"\$kernel\" \"\$initrd\" >boot/grub/grub.cfg
    cp usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed \"\$OLDPWD/grub.efi\"
  ' hook \"\$1\"" \
  --customize-hook="unshare -m sh -ec 'mount --bind \"\$1\" /mnt; mke2fs -q -t ext4 -U $root_uuid -d /mnt root.img 1200M' hook \"\$1\"" \
  bookworm

printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n' "$root_uuid" >esp-grub.cfg
truncate -s 60M esp.img
mkfs.vfat -F 16 -i "$(printf %s "$esp_id" | tr -d -)" esp.img >/dev/null
mmd -i esp.img ::/EFI ::/EFI/BOOT ::/EFI/debian
mcopy -i esp.img grub.efi ::/EFI/BOOT/BOOTX64.EFI
mcopy -i esp.img esp-grub.cfg ::/EFI/debian/grub.cfg

truncate -s $((root_start + 1201 * mib)) disk.raw
sfdisk -q disk.raw <<END
label: gpt
1 : start=131072, size=$((1200 * 2048)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
14 : start=2048, size=6144, type=21686148-6449-6E6F-744E-656564454649
15 : start=8192, size=$((60 * 2048)), type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
END
dd if=esp.img of=disk.raw bs=512 seek=8192 conv=notrunc,sparse status=none
dd if=root.img of=disk.raw bs=$mib seek=$((root_start / mib)) conv=notrunc,sparse status=none
qemu-img convert -f raw -O qcow2 -c -m 16 -o compression_type=zstd disk.raw "$output"
rm -f disk.raw root.img esp.img esp-grub.cfg grub.efi
