import assert from "node:assert/strict";
import { containerd } from "../../../src/steps/containerd.ts";
import { files } from "../../../src/steps/files.ts";
import { hostname } from "../../../src/steps/hostname.ts";
import { kernelModules } from "../../../src/steps/kernel-modules.ts";
import { kubernetesNodePrerequisites } from "../../../src/steps/kubernetes/prerequisites.ts";
import { selinux } from "../../../src/steps/selinux.ts";
import { services } from "../../../src/steps/services.ts";
import { swapOff } from "../../../src/steps/swap.ts";
import { sysctls } from "../../../src/steps/sysctls.ts";
import { centos, commandsOf, contentOf, debian, fedora } from "./golden.ts";
import { kubernetesRepository } from "./samples.ts";

describe("services", () => {
  it("enables without starting", () => {
    assert.deepEqual(commandsOf(services({ enable: ["kubelet.service"] }).ops(debian)), [
      "systemctl enable kubelet.service",
    ]);
  });

  it("refuses a unit named twice, no unit at all, and names without a suffix", () => {
    assert.throws(() => services({ enable: ["a.service"], mask: ["a.service"] }), { message: /a unit is named twice/ });
    assert.throws(() => services({}), { message: /at least one unit/ });
    assert.throws(() => services({ enable: ["kubelet"] }), {
      code: "template-invalid",
      message: /enable\.0: write the whole unit name/,
    });
  });
});

describe("sysctls", () => {
  it("writes the settings sorted, so that their order in the template does not matter", () => {
    const written = (values: Record<string, number>): string =>
      contentOf(sysctls(values).ops(debian), "/etc/sysctl.d/90-kvci-build.conf");
    assert.equal(written({ "vm.b": 2, "fs.a": 1 }), "fs.a = 1\nvm.b = 2\n");
    assert.equal(written({ "fs.a": 1, "vm.b": 2 }), written({ "vm.b": 2, "fs.a": 1 }));
  });

  it("refuses settings that hold a second line, and keys that are none", () => {
    assert.throws(() => sysctls({ "vm.a": "1\nvm.b = 2" }), { message: /vm\.a: a whole number or one line/ });
    assert.throws(() => sysctls({ ip_forward: 1 }), { code: "template-invalid" });
  });
});

describe("kernelModules", () => {
  it("writes only the files it has lines for", () => {
    assert.deepEqual(
      kernelModules({ load: ["overlay"] })
        .ops(debian)
        .map((op) => "path" in op && op.path),
      ["/etc/modules-load.d/kvci-build.conf"],
    );
  });
});

describe("kubernetesNodePrerequisites", () => {
  it("loads conntrack's module, without which its sysctl does not exist", () => {
    const ops = kubernetesNodePrerequisites({ maxTrackedConnections: 5 }).ops(debian);
    assert.match(contentOf(ops, "/etc/modules-load.d/kubernetes.conf"), /^nf_conntrack$/m);
    assert.match(contentOf(ops, "/etc/sysctl.d/90-kubernetes.conf"), /^net\.netfilter\.nf_conntrack_max = 5$/m);
  });

  it("asks for what pods and live migration need", () => {
    const settings = contentOf(kubernetesNodePrerequisites().ops(fedora), "/etc/sysctl.d/90-kubernetes.conf");
    for (const key of [
      "net.bridge.bridge-nf-call-iptables",
      "net.bridge.bridge-nf-call-ip6tables",
      "net.ipv4.ip_forward",
      "net.ipv6.conf.all.forwarding",
      "vm.unprivileged_userfaultfd",
    ]) {
      assert.ok(settings.includes(`${key} = 1\n`), key);
    }
  });
});

describe("selinux", () => {
  it("makes sure that the mode was written", () => {
    assert.equal(
      commandsOf(selinux("permissive").ops(fedora)).at(-1),
      "grep -qx SELINUX=permissive /etc/selinux/config",
    );
  });

  it("turns the kernel's part off, too", () => {
    assert.ok(commandsOf(selinux("disabled").ops(fedora)).includes("grubby --update-kernel=ALL --args=selinux=0"));
  });

  it("has nothing to do for disabled on Debian, and refuses the rest there", () => {
    assert.deepEqual(selinux("disabled").ops(debian), []);
    assert.throws(() => selinux("enforcing").ops(debian), {
      name: "InputError",
      code: "template-invalid",
      message: /debian has no SELinux/,
    });
    assert.throws(() => selinux("on" as never), { message: /one of enforcing, permissive, disabled/ });
  });
});

describe("swapOff", () => {
  it("hides Fedora's swap in memory", () => {
    assert.ok(contentOf(swapOff().ops(fedora), "/etc/systemd/zram-generator.conf").startsWith("#"));
  });
});

describe("hostname", () => {
  it("refuses what Linux or DNS does not take", () => {
    for (const name of ["Node", "localhost", "localhost.localdomain", "-a", "a..b", "a".repeat(65)]) {
      assert.throws(() => hostname(name), { name: "InputError" }, name);
    }
  });

  it("lets cloud-init's name win unless it is fixed", () => {
    assert.equal(hostname("node").ops(debian).length, 2);
    assert.equal(
      contentOf(hostname("node", { fixed: true }).ops(debian), "/etc/cloud/cloud.cfg.d/90-kvci-hostname.cfg"),
      "preserve_hostname: true\n",
    );
  });
});

describe("containerd", () => {
  it("shares cgroups with systemd, finds plugins where pods put them, and is enabled", () => {
    const ops = containerd().ops(debian);
    const config = contentOf(ops, "/etc/containerd/config.toml");
    assert.match(config, /SystemdCgroup = true/);
    assert.match(config, /bin_dir = "\/opt\/cni\/bin"/);
    assert.doesNotMatch(config, /sandbox_image/);
    assert.equal(commandsOf(ops).at(-1), "systemctl enable containerd.service");
  });

  it("asks for a repository on CentOS Stream, and uses it", () => {
    assert.throws(() => containerd().ops(centos), {
      code: "template-invalid",
      message: /a repository is needed/,
      hint: /containerd\.io/,
    });
    const step = containerd({ package: "containerd.io", repository: { ...kubernetesRepository, name: "docker" } });
    assert.ok(contentOf(step.ops(centos), "/etc/yum.repos.d/docker.repo").includes("gpgcheck=1"));
  });
});

describe("files", () => {
  it("refuses relative paths, no file at all, and unknown keys", () => {
    assert.throws(() => files("x", { "etc/motd": "hi" }), { name: "InputError", message: /path: an absolute path/ });
    assert.throws(() => files("x", {}), { message: /at least one file/ });
    assert.throws(() => files("x", { "/etc/motd": { text: "hi" } } as never), { code: "template-invalid" });
  });
});
