import { run, writeFile, type ImageOp } from "../core/op.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { FIRST_BOOT_STATE } from "./first-boot.ts";
import { APT_RUN_DIR } from "./packages.ts";
import { lines, shell } from "./script.ts";

/**
 * Makes a built machine into an image: what says who it is goes, and what tells of its build. The pipeline runs it last;
 * every machine made from the disk then gets a machine-id, host keys and seeds of its own.
 *
 * It runs over SSH in the machine it cleans. Connections that are open need neither host keys nor authorized keys any more,
 * so those can go; nobody can log in anew afterwards. What would write on at shutdown is stopped before its files go, and the
 * machine-id goes late, because other commands read it.
 */
export function seal(): Step<ImageOp> {
  return {
    name: "seal",
    ops: (platform) => [
      ...(platform.family === "apt" ? hostKeysAtFirstBoot() : []),
      // zipl writes block numbers into the boot record: after the last change to /boot.
      ...(platform.bootLoader === "zipl" ? [run("zipl")] : []),
      ...cloudInit(),
      ...stopWriters(),
      ...packageCaches(platform),
      ...leftovers(platform),
      ...identity(),
      run("sync"),
      shell('fstrim --all --verbose || echo "no filesystem here can be trimmed"'),
    ],
  };
}

const HOST_KEYS_UNIT = "kvci-ssh-host-keys.service";

/** Debian makes host keys when it installs sshd, never later; cloud-init would, but a node may have no datasource for it. */
function hostKeysAtFirstBoot(): readonly ImageOp[] {
  const unit = lines(
    "[Unit]",
    "Description=Make SSH host keys that are missing",
    "# Both may have made them already; the condition is looked at after they ran.",
    "After=cloud-init.service cloud-init-network.service ssh-host-keys.service",
    "Before=ssh.service",
    "# The last one that ssh-keygen makes.",
    "ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key",
    "ConditionPathExists=!/run/kvci-build",
    "ConditionFileIsExecutable=/usr/bin/ssh-keygen",
    "",
    "[Service]",
    "Type=oneshot",
    "ExecStart=/usr/bin/ssh-keygen -A",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  );
  return [writeFile(`/etc/systemd/system/${HOST_KEYS_UNIT}`, unit), run("systemctl", "enable", HOST_KEYS_UNIT)];
}

function cloudInit(): readonly ImageOp[] {
  return [
    shell("if command -v cloud-init > /dev/null; then cloud-init clean --logs --seed; fi"),
    // What cloud-init wrote for the build's network card and user; older versions do not clean it. A node without a
    // datasource would otherwise wait for a card with the build's MAC address.
    shell(
      remove("-f", [
        "/etc/netplan/50-cloud-init.yaml",
        "/etc/network/interfaces.d/50-cloud-init*",
        "/etc/NetworkManager/system-connections/cloud-init-*.nmconnection",
        "/etc/systemd/network/10-cloud-init-*.network",
        "/etc/ssh/sshd_config.d/50-cloud-init.conf",
        "/etc/sudoers.d/90-cloud-init-users",
      ]),
    ),
  ];
}

function stopWriters(): readonly ImageOp[] {
  return [
    // The journal goes on in memory, so nothing comes back to /var/log at shutdown.
    run("journalctl", "--relinquish-var"),
    // random-seed saves a seed when it is stopped: better now than after its file was removed.
    shell(
      "for unit in rsyslog.service syslog.socket systemd-random-seed.service; do",
      '  if systemctl --quiet is-active "$unit"; then systemctl stop "$unit"; fi',
      "done",
    ),
    // auditd refuses systemctl stop; its signal to end it does not refuse.
    shell("if systemctl --quiet is-active auditd.service; then systemctl kill --signal=TERM auditd.service; fi"),
    // Folders stay: services expect theirs with its owner.
    run("find", "/var/log", "-xdev", "(", "-type", "f", "-o", "-path", "/var/log/journal/*", ")", "-delete"),
  ];
}

function packageCaches({ family }: Platform): readonly ImageOp[] {
  if (family === "dnf") {
    return [run("dnf", "clean", "all"), run("rm", "-rf", "/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum")];
  }
  return [
    run("apt-get", "clean"),
    shell(
      remove("-rf", [
        APT_RUN_DIR,
        "/var/lib/apt/lists/*",
        "/var/cache/apt/*.bin",
        "/var/cache/debconf/*-old",
        "/var/lib/dpkg/*-old",
      ]),
    ),
  ];
}

function leftovers({ family }: Platform): readonly ImageOp[] {
  return [
    // Leases and what DHCP clients and NetworkManager call themselves by.
    shell(
      remove("-rf", [
        "/var/lib/dhcp/*",
        "/var/lib/dhclient/*",
        "/var/lib/dhcpcd/*",
        "/var/lib/NetworkManager/*.lease",
        "/var/lib/NetworkManager/secret_key",
        "/var/lib/NetworkManager/seen-bssids",
        "/var/lib/NetworkManager/timestamps",
        "/etc/udev/rules.d/70-persistent-*.rules",
      ]),
    ),
    // The names this machine has towards storage; each node makes its own.
    shell(initiatorName(family), remove("-f", ["/etc/nvme/hostid", "/etc/nvme/hostnqn"])),
    shell(
      remove("-rf", [
        "/etc/passwd-",
        "/etc/shadow-",
        "/etc/group-",
        "/etc/gshadow-",
        "/etc/subuid-",
        "/etc/subgid-",
        "/var/cache/ldconfig/aux-cache",
        "/var/lib/logrotate/*",
        "/var/lib/systemd/coredump/*",
        "/var/lib/systemd/timers/*",
        `${FIRST_BOOT_STATE}/*.done`,
      ]),
    ),
    // A service that ends meanwhile takes its files with it; that is no error.
    run("find", "/tmp", "/var/tmp", "-ignore_readdir_race", "-xdev", "-mindepth", "1", "-delete"),
  ];
}

/** Debian's open-iscsi makes a name when the file asks for one, the others when there is none. */
function initiatorName(family: Platform["family"]): string {
  const file = "/etc/iscsi/initiatorname.iscsi";
  return family === "apt" ? `if [ -e ${file} ]; then echo GenerateName=yes > ${file}; fi` : `rm -f ${file}`;
}

function identity(): readonly ImageOp[] {
  return [
    shell(remove("-f", ["/etc/ssh/ssh_host_*", "/etc/ssh/sshd_config.d/00-kvci-build.conf"])),
    shell(
      "for home in /root /home/*; do",
      '  rm -f "$home"/.bash_history "$home"/.lesshst "$home"/.python_history "$home"/.viminfo "$home"/.wget-hsts',
      "done",
      "rm -rf /root/.ssh /root/.cache",
    ),
    // A seed that many machines share is worse than none. The boot loader's is on the ESP.
    shell(
      remove("-f", [
        "/var/lib/systemd/random-seed",
        "/var/lib/systemd/credential.secret",
        "/boot/loader/random-seed",
        "/boot/efi/loader/random-seed",
        "/efi/loader/random-seed",
      ]),
    ),
    // Empty, not "uninitialized": systemd makes an id for both, but takes "uninitialized" for the very first boot of a fresh
    // installation, asks questions on the console and presets every unit. Debian's preset is "enable", so units that a
    // template had disabled would come back.
    run("truncate", "--size=0", "/etc/machine-id"),
    // The name a build by cloud-init's seed has; one that the template gave stays.
    shell('if [ -e /etc/hostname ] && [ "$(cat /etc/hostname)" = kvci-build ]; then rm /etc/hostname; fi'),
    shell("if [ -d /var/lib/dbus ]; then ln -sf /etc/machine-id /var/lib/dbus/machine-id; fi"),
  ];
}

/** One path per line, for a reviewer's diff; a pattern that matches nothing is no error. */
function remove(flag: "-f" | "-rf", paths: readonly string[]): string {
  return [`rm ${flag}`, ...paths].join(" \\\n  ");
}
