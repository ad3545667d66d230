import type { ImageOp } from "../core/op.ts";
import { run, writeFile } from "../core/op-makers.ts";
import type { Platform } from "../core/platform.ts";
import type { Step } from "../core/step.ts";
import { FIRST_BOOT_STATE } from "./first-boot.ts";
import { APT_RUN_DIR } from "./apt-run-dir.ts";
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
      shell("sync", 'fstrim --all --verbose || echo "no filesystem here can be trimmed"'),
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
  const wants = "/etc/systemd/system/multi-user.target.wants";
  return [
    writeFile(`/etc/systemd/system/${HOST_KEYS_UNIT}`, unit),
    // What `systemctl enable` does; that reads every unit there is, which takes seconds in an emulated guest.
    shell(`mkdir -p ${wants} && ln -sf ../${HOST_KEYS_UNIT} ${wants}/${HOST_KEYS_UNIT}`),
  ];
}

function cloudInit(): readonly ImageOp[] {
  return [
    // What `cloud-init clean --logs --seed` does, without starting Python; and what cloud-init wrote for the build's network card
    // and user, which older versions do not clean. A node without a datasource would otherwise wait for a card with the build's
    // MAC address.
    shell(
      'for script in /etc/cloud/clean.d/*; do if [ -x "$script" ]; then "$script"; fi; done',
      remove("-rf", [
        "/var/lib/cloud/*",
        "/var/log/cloud-init*",
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
    shell(
      "# The journal goes on in memory, so nothing comes back to /var/log at shutdown.",
      'if [ -n "$(find /var/log/journal -type f -print -quit 2> /dev/null)" ]; then journalctl --relinquish-var; fi',
      "# random-seed saves a seed when it is stopped: better now than after its file was removed. Not all of them are there.",
      "systemctl stop rsyslog.service syslog.socket systemd-random-seed.service 2> /dev/null || true",
      "# auditd refuses systemctl stop; its signal to end it does not refuse.",
      "if command -v auditd > /dev/null && systemctl --quiet is-active auditd.service; then",
      "  systemctl kill --signal=TERM auditd.service",
      "fi",
      "# Folders stay: services expect theirs with its owner.",
      "find /var/log -xdev \\( -type f -o -path '/var/log/journal/*' \\) -delete",
    ),
  ];
}

function packageCaches({ family }: Platform): readonly ImageOp[] {
  if (family === "dnf") {
    return [run("dnf", "clean", "all"), run("rm", "-rf", "/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum")];
  }
  return [
    shell(
      remove("-rf", [
        APT_RUN_DIR,
        "/var/lib/apt/lists/*",
        "/var/cache/apt/*.bin",
        "/var/cache/apt/archives/*.deb",
        "/var/cache/apt/archives/partial/*",
        "/var/cache/debconf/*-old",
        "/var/lib/dpkg/*-old",
      ]),
    ),
  ];
}

function leftovers({ family }: Platform): readonly ImageOp[] {
  return [
    shell(
      "# Leases and what DHCP clients and NetworkManager call themselves by.",
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
      "# The names this machine has towards storage; each node makes its own.",
      initiatorName(family),
      remove("-f", ["/etc/nvme/hostid", "/etc/nvme/hostnqn"]),
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
      "# A service that ends meanwhile takes its files with it; that is no error.",
      "find /tmp /var/tmp -ignore_readdir_race -xdev -mindepth 1 -delete",
    ),
  ];
}

/** Debian's open-iscsi makes a name when the file asks for one, the others when there is none. */
function initiatorName(family: Platform["family"]): string {
  const file = "/etc/iscsi/initiatorname.iscsi";
  return family === "apt" ? `if [ -e ${file} ]; then echo GenerateName=yes > ${file}; fi` : `rm -f ${file}`;
}

function identity(): readonly ImageOp[] {
  return [
    shell(
      "for home in /root /home/*; do",
      '  rm -f "$home"/.bash_history "$home"/.lesshst "$home"/.python_history "$home"/.viminfo "$home"/.wget-hsts',
      "done",
      "rm -rf /root/.ssh /root/.cache",
      "# A seed that many machines share is worse than none. The boot loader's is on the ESP.",
      remove("-f", [
        "/etc/ssh/ssh_host_*",
        "/etc/ssh/sshd_config.d/00-kvci-build.conf",
        "/var/lib/systemd/random-seed",
        "/var/lib/systemd/credential.secret",
        "/boot/loader/random-seed",
        "/boot/efi/loader/random-seed",
        "/efi/loader/random-seed",
      ]),
      "# The name a build by cloud-init's seed has; one that the template gave stays.",
      'if [ -e /etc/hostname ] && [ "$(cat /etc/hostname)" = kvci-build ]; then rm /etc/hostname; fi',
      "if [ -d /var/lib/dbus ]; then ln -sf /etc/machine-id /var/lib/dbus/machine-id; fi",
    ),
    // Empty, not "uninitialized": systemd makes an id for both, but takes "uninitialized" for the very first boot of a fresh
    // installation, asks questions on the console and presets every unit. Debian's preset is "enable", so units that a
    // template had disabled would come back.
    run("truncate", "--size=0", "/etc/machine-id"),
  ];
}

/** One path per line, for a reviewer's diff; a pattern that matches nothing is no error. */
function remove(flag: "-f" | "-rf", paths: readonly string[]): string {
  return [`rm ${flag}`, ...paths].join(" \\\n  ");
}
