import assert from "node:assert/strict";
import { growRootOnFirstBoot } from "../../../src/steps/grow-root.ts";
import { iscsi } from "../../../src/steps/iscsi.ts";
import { lvm } from "../../../src/steps/lvm.ts";
import { nftables } from "../../../src/steps/nftables.ts";
import { nodeTools } from "../../../src/steps/node-tools.ts";
import { openVswitch } from "../../../src/steps/open-vswitch.ts";
import { selinuxLabels } from "../../../src/steps/selinux-labels.ts";
import type { PackageLock } from "../../../src/core/lock.ts";
import type { Step } from "../../../src/core/step.ts";
import { centos, commandsOf, contentOf, debian, fedora } from "./golden.ts";
import { kubernetesRepository } from "./samples.ts";

const packageNames = (step: Step, platform: typeof debian): readonly string[] =>
  (step.needs?.(platform) ?? []).flatMap((need) => (need.kind === "packages" ? need.names : []));

describe("steps that install packages for a node", () => {
  for (const [step, apt, dnf] of [
    [nftables(), ["nftables"], ["nftables"]],
    [iscsi(), ["open-iscsi"], ["iscsi-initiator-utils"]],
    [lvm(), ["lvm2"], ["lvm2"]],
    [openVswitch(), ["openvswitch-switch"], ["openvswitch", "NetworkManager-ovs"]],
    [nodeTools(), ["gettext-base", "patch", "pciutils"], ["gettext", "patch", "pciutils"]],
    [growRootOnFirstBoot(), ["cloud-guest-utils"], ["cloud-utils-growpart"]],
    [
      selinuxLabels({ paths: { "/srv/a": "container_file_t" } }),
      [],
      ["container-selinux", "policycoreutils-python-utils"],
    ],
  ] as const) {
    it(`${step.name} says what the lock is to freeze`, () => {
      assert.deepEqual(packageNames(step, debian), apt);
      assert.deepEqual(packageNames(step, fedora), dnf);
    });

    it(`${step.name} asks the lock for its packages`, () => {
      const asked: string[] = [];
      const lock: PackageLock = (set) => {
        asked.push(set);
        return undefined;
      };
      step.ops(fedora, lock);
      const sets = (step.needs?.(fedora) ?? []).flatMap((need) => (need.kind === "packages" ? [need.set] : []));
      assert.deepEqual(asked, sets);
      assert.notDeepEqual(asked, []);
    });
  }
});

describe("iscsi", () => {
  it("starts the initiator's daemon when it is asked for, not before", () => {
    assert.equal(commandsOf(iscsi().ops(debian)).at(-1), "systemctl enable iscsid.socket");
  });
});

describe("lvm", () => {
  const RULE = "/etc/udev/rules.d/60-kvci-fake-ssd.rules";

  it("lets disks be what they are unless told", () => {
    assert.ok(
      !lvm()
        .ops(debian)
        .some((op) => op.kind === "write-file" && op.path === RULE),
    );
  });

  it("makes virtio disks, not their partitions, say that they are SSDs", () => {
    const rule = contentOf(lvm({ fakeSsd: true }).ops(debian), RULE);
    assert.match(rule, /ENV\{DEVTYPE\}=="disk", KERNEL=="vd\[a-z\]\*", ATTR\{queue\/rotational\}="0"/);
  });
});

describe("openVswitch", () => {
  const repository = { ...kubernetesRepository, name: "nfv" };

  it("asks for a repository and a package on CentOS Stream", () => {
    for (const step of [openVswitch(), openVswitch({ repository }), openVswitch({ package: "openvswitch3.5" })]) {
      assert.throws(() => step.ops(centos), { code: "template-invalid", hint: /NFV SIG/ });
      assert.throws(() => step.needs?.(centos), { code: "template-invalid" });
    }
  });

  it("uses and declares them there, with NetworkManager's plugin", () => {
    const step = openVswitch({ package: "openvswitch3.5", repository });
    const kinds = (step.needs?.(centos) ?? []).map(({ kind }) => kind);
    assert.deepEqual(kinds, ["repository", "packages"]);
    assert.ok(contentOf(step.ops(centos), "/etc/yum.repos.d/nfv.repo").includes("gpgcheck=1"));
    assert.equal(commandsOf(step.ops(centos)).at(-1), "systemctl enable openvswitch.service");
  });

  it("takes only those parts of a repository that the family has", () => {
    const { dnf } = repository;
    const step = openVswitch({ repository: { name: "nfv", signingKey: repository.signingKey, dnf } });
    assert.ok(!step.ops(debian).some((op) => op.kind === "write-file" && op.path.includes("nfv")));
  });
});

describe("selinuxLabels", () => {
  it("adds all rules in one go, dots taken as dots, and applies them", () => {
    const step = selinuxLabels({ paths: { "/var/b.d": "container_file_t", "/srv/a": "svirt_image_t" } });
    const [folders, rules = "", restore] = commandsOf(step.ops(fedora)).slice(-3);
    assert.equal(folders, "mkdir -p /srv/a /var/b.d");
    assert.ok(rules.includes("fcontext -a -f a -t svirt_image_t '/srv/a(/.*)?'\n"), rules);
    assert.ok(rules.includes("fcontext -a -f a -t container_file_t '/var/b\\.d(/.*)?'\nEND"), rules);
    assert.equal(restore, "restorecon -R /srv/a /var/b.d");
  });

  it("has nothing to do on Debian", () => {
    assert.deepEqual(selinuxLabels({ paths: { "/srv/a": "container_file_t" } }).ops(debian), []);
  });

  it("refuses what would be another rule", () => {
    assert.throws(() => selinuxLabels({ paths: {} }), { message: /at least one folder/ });
    assert.throws(() => selinuxLabels({ paths: { "/srv/a'": "container_file_t" } }), { name: "InputError" });
    assert.throws(() => selinuxLabels({ paths: { "/srv/a": "container file" } }), { message: /an SELinux type/ });
  });
});
