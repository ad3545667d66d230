import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { cniPluginsRun } from "../../verify/checks/cni-plugins-run.ts";
import { containerRuntimeAnswers } from "../../verify/checks/container-runtime-answers.ts";
import { imagesPresent } from "../../verify/checks/images-present.ts";
import { kernelSettings } from "../../verify/checks/kernel-settings.ts";
import { kubeletEnabled } from "../../verify/checks/kubelet-enabled.ts";
import { swapAsDeclared } from "../../verify/checks/swap-as-declared.ts";
import type { Check } from "../../verify/check.ts";
import { findingOf } from "../verify/fake-clone.ts";

/** What every machine has. Nothing else of this host's: it may be a node itself. */
const TOOLS = "awk cat cut dirname grep head readlink sed sh sort tail timeout tr".split(" ");

/** A folder that probes take for the root of a machine, whose programs are the ones that a test puts there. */
class Root {
  readonly path = mkdtempSync(join(tmpdir(), "kvci-node-probe-"));

  constructor() {
    mkdirSync(join(this.path, "bin"));
    for (const tool of TOOLS) {
      const folder = ["/usr/bin", "/bin"].find((candidate) => existsSync(join(candidate, tool)));
      symlinkSync(join(folder ?? assert.fail(`${tool} is needed`), tool), join(this.path, "bin", tool));
    }
    this.program("findfs", "exit 1");
  }

  file(path: string, content: string, mode = 0o644): void {
    const real = join(this.path, path);
    mkdirSync(dirname(real), { recursive: true });
    writeFileSync(real, content);
    chmodSync(real, mode);
  }

  program(name: string, body: string): void {
    this.file(name.startsWith("/") ? name : `/bin/${name}`, `#!/bin/sh\n${body}\n`, 0o755);
  }

  /** What the probe prints, with this folder for the root. */
  ask(check: Check): string {
    const script = (check.probe ?? "").replace(/(?<![\w.$}/*[:{-])\/(etc|opt|sys|proc)\b/g, `${this.path}/$1`);
    const env = { PATH: `${this.path}/bin`, LC_ALL: "C.UTF-8" };
    const { status, stdout, stderr } = spawnSync("/bin/sh", ["-eu", "-c", script], { env, encoding: "utf8" });
    assert.equal(status, 0, `${check.name}: ${stderr}`);
    return stdout.replaceAll(this.path, "");
  }
}

describe("probes of the node suite, run by a real shell", () => {
  let root: Root;
  beforeEach(() => (root = new Root()));
  afterEach(() => {
    rmSync(root.path, { recursive: true });
  });

  it("tell which runtime there is, and what it answers", async () => {
    root.program(
      "systemctl",
      'case "$*" in "is-enabled crio.service") exit 1 ;; is-enabled*) echo enabled ;; *) echo active ;; esac',
    );
    root.program("ctr", "printf 'Client:\\n  Version:  1.6.19\\n\\nServer:\\n  Version:  1.6.20\\n'");
    const output = root.ask(containerRuntimeAnswers);
    assert.match(output, /^unit: containerd enabled active\nctr: Client:\n/);
    assert.equal((await findingOf(containerRuntimeAnswers, [output])).detail, "containerd 1.6.20");
    root.program("crictl", "echo 'RuntimeName:  containerd'; echo 'RuntimeVersion:  1.6.20'");
    assert.equal((await findingOf(containerRuntimeAnswers, [root.ask(containerRuntimeAnswers)])).ok, true);
    root.program("crictl", "echo 'FATA[0000] no such file' >&2; exit 1");
    assert.match((await findingOf(containerRuntimeAnswers, [root.ask(containerRuntimeAnswers)])).detail, /FATA/);
  });

  it("tell that there is no runtime", () => {
    root.program("systemctl", "echo not-found; exit 4");
    assert.equal(root.ask(containerRuntimeAnswers), "");
  });

  it("tell how kubelet is, and what it said when it ended", async () => {
    root.program(
      "systemctl",
      'case "$*" in is-enabled*) echo enabled ;; *ActiveState*) echo activating ;; *SubState*) echo auto-restart ;; *Restarts*) echo 7 ;; *) echo yes ;; esac',
    );
    root.program("kubelet", "echo Kubernetes v1.31.14");
    const missing = "open /var/lib/kubelet/config.yaml: no such file or directory";
    root.program(
      "journalctl",
      `echo 'Started kubelet.service'\necho 'E1121 10:00:00.1 801 run.go:72] "command failed" err="${missing}"'\necho 'kubelet.service: Failed.'`,
    );
    const output = root.ask(kubeletEnabled);
    assert.match(output, /^enabled: enabled\nActiveState: activating\n/);
    assert.equal(
      (await findingOf(kubeletEnabled, [output])).detail,
      "Kubernetes v1.31.14, waiting for a cluster's files",
    );
  });

  it("tell that there is no kubelet, and do not fail over it", async () => {
    root.program("systemctl", 'case "$*" in is-enabled*) exit 1 ;; *) echo inactive ;; esac');
    root.program("journalctl", "true");
    const finding = await findingOf(kubeletEnabled, [root.ask(kubeletEnabled)]);
    assert.match(finding.detail, /kubelet.service is "not there"/);
  });

  it("compare modules and parameters with what files in /etc ask for, comments and blanks aside", async () => {
    root.file("/etc/modules-load.d/a.conf", "# comment\nbr_netfilter\n\nvfio-pci ; why\nabsent\n");
    mkdirSync(join(root.path, "sys/module/br_netfilter"), { recursive: true });
    root.program("modinfo", 'if [ "$3" = vfio-pci ]; then echo "(builtin)"; else exit 1; fi');
    root.file("/etc/sysctl.d/90-a.conf", "# no = 1\n  vm.swappiness = 10\nnet.ipv4.conf.*.x = 1\n-vm.quiet = 1\n");
    root.program("sysctl", "echo 1");
    const output = root.ask(kernelSettings);
    assert.deepEqual(output.trimEnd().split("\n"), [
      "missing: absent",
      "loaded: br_netfilter",
      "loaded: vfio-pci",
      "have: net.ipv4.ip_forward=1",
      "want: vm.swappiness=10",
      "have: vm.swappiness=1",
    ]);
    assert.equal(
      (await findingOf(kernelSettings, [output])).detail,
      "verify-a: module absent is not loaded (and 1 more)",
    );
  });

  it("find swap that is on and swap that is declared", () => {
    root.file("/proc/swaps", "Filename Type Size Used Priority\n/swapfile file 65532 0 -2\n");
    root.file("/etc/fstab", "# /dev/old none swap sw 0 0\n/dev/vdz9 none swap sw 0 0\n/dev/vdy none swap noauto 0 0\n");
    root.file("/etc/systemd/system/swapfile.swap", "[Swap]\nWhat=/swapfile\n");
    root.program("systemctl", "echo enabled");
    assert.equal(root.ask(swapAsDeclared), "on: /swapfile\ndeclared: /dev/vdz9\ndeclared: /swapfile\n");
    root.program("systemctl", "echo disabled; exit 1");
    assert.equal(root.ask(swapAsDeclared), "on: /swapfile\ndeclared: /dev/vdz9\n");
  });

  it("ask plugins for their versions, and find links that lead nowhere", async () => {
    for (const name of ["bridge", "host-local", "loopback"]) {
      root.program(
        `/opt/cni/bin/${name}`,
        `test "$CNI_COMMAND" = VERSION; printf '{\\n"supportedVersions":["1.0.0"]\\n}\\n'`,
      );
    }
    root.file("/opt/cni/bin/portmap", "\x7fELF", 0o755);
    root.file("/opt/cni/bin/README.md", "read me\n");
    symlinkSync("/nowhere/vlan", join(root.path, "opt/cni/bin/vlan"));
    const output = root.ask(cniPluginsRun);
    assert.match(output, /^dangling: vlan\nanswer: bridge \{"supportedVersions":\["1\.0\.0"\]\}\n/);
    const { evidence } = await findingOf(cniPluginsRun, [output]);
    assert.equal(evidence[0], "verify-a: /opt/cni/bin/vlan leads nowhere");
    assert.match(evidence[1] ?? "", /^verify-a: \/opt\/cni\/bin\/portmap does not run: ./);
  });

  it("list images as crictl and containerd do, and say when crictl cannot", () => {
    root.program("systemctl", "true");
    root.program("crictl", "printf '{\\n  \"images\": []\\n}\\n'");
    root.program("ctr", "printf 'REF TYPE DIGEST SIZE\\na.example/b:1 application/json sha256:00 1 MiB\\n'");
    assert.equal(root.ask(imagesPresent), 'crictl: {  "images": []}\nctr: a.example/b:1 sha256:00\n');
    root.program("crictl", "echo 'FATA[0000] no' >&2; exit 1");
    assert.equal(root.ask(imagesPresent), "silent: FATA[0000] no\nctr: a.example/b:1 sha256:00\n");
  });
});
