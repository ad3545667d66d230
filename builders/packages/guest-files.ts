import type { PackagesBase } from "../../src/core/base.ts";
import type { Arch } from "../../src/core/platform.ts";
import { kernelArguments, ziplConf } from "./boot-files.ts";
import { hasEsp } from "./disk-layout.ts";

/** A text file of the guest; root:root 0644. */
export interface GuestFile {
  readonly path: string;
  readonly text: string;
}

/** Units the base turns on. Those of OpenSSH and cloud-init are turned on by their packages. */
export const ENABLED_UNITS = [
  "systemd-networkd.service",
  "systemd-resolved.service",
  "systemd-timesyncd.service",
  "ssh-host-key.service",
  "fstrim.timer",
] as const;

/** A node changes when its image does, not when a timer fires; and e2scrub has no LVM to look at. */
export const DISABLED_UNITS = ["apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer"] as const;

/** Started at boot by their packages though there is nothing for them to do here; each costs time. */
export const MASKED_UNITS = ["e2scrub_reap.service"] as const;

/** The files a base adds to what the packages bring. */
export function guestFiles(spec: PackagesBase, arch: Arch): readonly GuestFile[] {
  const boot = hasEsp(arch) ? kernelInstallFiles(spec, arch) : [{ path: "/etc/zipl.conf", text: ziplConf(spec) }];
  return [...boot, { path: "/etc/fstab", text: fstab(arch) }, ...SYSTEM_FILES, ...NETWORK_FILES];
}

/** The token and layout are fixed because a sealed disk has no machine-id to name entries by. */
function kernelInstallFiles(spec: PackagesBase, arch: Arch): readonly GuestFile[] {
  return [
    { path: "/etc/kernel/cmdline", text: `${kernelArguments(arch)}\n` },
    { path: "/etc/kernel/entry-token", text: `${spec.distribution}\n` },
    { path: "/etc/kernel/install.conf", text: "layout=bls\nBOOT_ROOT=/boot/efi\n" },
  ];
}

/** The ESP is mounted when somebody looks at it: boot does not wait, and it is not left dirty. */
function fstab(arch: Arch): string {
  const root = "PARTLABEL=root / ext4 defaults,discard,errors=remount-ro 0 1\n";
  const options = "umask=0077,noauto,nofail,x-systemd.automount,x-systemd.idle-timeout=30s";
  return hasEsp(arch) ? `${root}PARTLABEL=esp /boot/efi vfat ${options} 0 0\n` : root;
}

/**
 * Makes a host key where cloud-init does not run; without one sshd fails. One of one type, because RSA takes seconds on an
 * emulated machine. A build brings its own key below /run/kvci-build, and needs none that is removed before sealing.
 */
const SSH_HOST_KEY = `[Unit]
Description=Make the SSH host key of this machine
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
ConditionPathExists=!/run/kvci-build
After=cloud-init.service cloud-init-network.service
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -C "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
`;

const SYSTEM_FILES: readonly GuestFile[] = [
  { path: "/etc/systemd/system/ssh-host-key.service", text: SSH_HOST_KEY },
  { path: "/etc/default/locale", text: "LANG=C.UTF-8\n" },
  {
    path: "/etc/hosts",
    text: "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n",
  },
];

/** After what cloud-init and netplan write (10-…), so that theirs wins. The MAC as client id survives a change of machine-id. */
const DHCP_NETWORK = `[Match]
Name=en* eth*

[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac
UseMTU=yes
`;

const NETWORK_FILES: readonly GuestFile[] = [
  { path: "/etc/systemd/network/80-dhcp.network", text: DHCP_NETWORK },
  // Routes and rules of a Kubernetes network belong to its CNI plugin; networkd would remove them when it restarts.
  {
    path: "/etc/systemd/networkd.conf.d/10-foreign-routes.conf",
    text: "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
  },
  // Online means one address, not one on every card: a second, unused card must not hold up boot for two minutes.
  {
    path: "/etc/systemd/system/systemd-networkd-wait-online.service.d/10-any.conf",
    text: "[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --any\n",
  },
];
