import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { clusterInstall, type ClusterInstallInput } from "../../src/steps/index.ts";
import { contentOf, debian } from "../src/steps/golden.ts";
import { addon } from "../src/steps/kubernetes/samples.ts";

const SCRIPT = "/usr/libexec/kvci-build/first-boot/cluster-install";
const IMAGES = ["registry.k8s.io/kube-apiserver:v1.31.14", "registry.k8s.io/pause:3.10"];
const FLANNEL_IMAGE = "ghcr.io/flannel-io/flannel:v0.27.2";

/** A node as a folder: the script's paths lead into it, and the programs it calls write down how they were called. */
class Node {
  readonly root = mkdtempSync(join(tmpdir(), "kvci-node-"));
  readonly log = join(this.root, "log");

  constructor() {
    for (const folder of ["var/lib/kvci-build/first-boot", "root", "run", "bin", "etc/kubernetes"]) {
      mkdirSync(join(this.root, folder), { recursive: true });
    }
    writeFileSync(this.log, "");
    this.program("kubeadm", `if [ "$1" = config ]; then printf '%s\\n' ${IMAGES.join(" ")}; fi`);
    this.program("kubectl", "");
    this.program("crictl", "");
    this.program("journalctl", "echo kubelet says hello");
    this.program("ip", "echo '2: eth0 inet6 2001:db8::5/64 scope global'");
    this.file("etc/kubernetes/cni/flannel-dual.yaml", `spec:\n  containers:\n  - image: ${FLANNEL_IMAGE}\n`);
    this.file("etc/kubernetes/cni/kube-network-policies.yaml", "kind: DaemonSet\n");
    this.file("etc/kubernetes/addons/multus/01-multus.yaml", 'image: "ghcr.io/multus:v4.1.4"\n');
    this.file("etc/kubernetes/kubeadm/join-dual.yaml", "kind: JoinConfiguration\n");
  }

  file(path: string, content: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), content);
  }

  program(name: string, body: string): void {
    const text = `#!/bin/sh\necho "${name} $*" >> ${this.log}\n${body}\n`;
    writeFileSync(join(this.root, "bin", name), text, { mode: 0o755 });
  }

  boot(input: Partial<ClusterInstallInput> = {}): { status: number | null; output: string; calls: string[] } {
    const script = contentOf(clusterInstall({ runtime: "cri-o", ...input }).ops(debian), SCRIPT)
      .replaceAll(/(?<=[ ='"])\/(etc|var|run|root)(?=[/; ])/g, `${this.root}/$1`)
      // A wait that is to fail shall do so at once.
      .replace("grace=120", "grace=1");
    appendFileSync(this.log, "--- boot\n");
    const { status, stdout, stderr } = spawnSync("dash", ["-c", script], {
      encoding: "utf8",
      env: { PATH: `${join(this.root, "bin")}:${process.env["PATH"] ?? ""}` },
    });
    const calls = readFileSync(this.log, "utf8").split("--- boot\n").at(-1) ?? "";
    return { status, output: stdout + stderr, calls: calls.replaceAll(this.root, "").trim().split("\n") };
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}

const after = (calls: readonly string[], ...words: readonly string[]): boolean => {
  const places = words.map((word) => calls.findIndex((call) => call.includes(word)));
  return places.every((place, index) => place >= 0 && place > (places[index - 1] ?? -1));
};

describe("cluster installation at first boot", () => {
  let node: Node;
  beforeEach(() => {
    node = new Node();
  });
  afterEach(() => node.remove());

  it("makes a cluster: kubeadm, network, node, DNS, addons, in this order", () => {
    const { status, output, calls } = node.boot({ addons: [addon] });
    assert.equal(status, 0, output);
    assert.ok(
      after(
        calls,
        "kubeadm init --config=/etc/kubernetes/kubeadm/flannel-dual.yaml --skip-token-print",
        "--filename=/etc/kubernetes/cni/flannel-dual.yaml",
        "--filename=/etc/kubernetes/cni/kube-network-policies.yaml",
        "kubectl wait --for=condition=Ready node/",
        "rollout status deployment/coredns",
        "--filename=/etc/kubernetes/addons/multus",
        "kubectl rollout status daemonset/kube-multus-ds --namespace=kube-system --timeout=200s",
      ),
      calls.join("\n"),
    );
    assert.ok(!calls.some((call) => call.includes("kubeadm reset")));
  });

  it("looks for every image before it begins, and names those that are missing", () => {
    node.program("crictl", `case "$*" in *flannel*) exit 1 ;; esac`);
    const { status, output, calls } = node.boot();
    assert.equal(status, 1);
    assert.match(output, /not in the node's image store: ghcr\.io\/flannel-io\/flannel:v0\.27\.2$/m);
    assert.match(output, /kubelet says hello/);
    assert.match(output.trim().split("\n").at(-1) ?? "", /FAILED while looking for images \(exit status 1\)/);
    assert.ok(IMAGES.every((image) => calls.includes(`crictl inspecti ${image}`)));
    assert.ok(!calls.some((call) => call.startsWith("kubeadm init")));
  });

  it("does not look for images when it may pull them", () => {
    node.program("crictl", `case "$*" in inspecti*) exit 1 ;; esac`);
    assert.equal(node.boot({ offline: false }).status, 0);
  });

  it("takes a failed try back before the next", () => {
    node.program("kubeadm", `case "$1" in init) exit 3 ;; esac`);
    const first = node.boot();
    assert.equal(first.status, 3);
    assert.match(first.output, /FAILED while making the cluster \(exit status 3\)/);
    node.program("kubeadm", "");
    const second = node.boot();
    assert.equal(second.status, 0, second.output);
    assert.ok(after(second.calls, "kubeadm reset --force", "kubeadm init"));
  });

  it("goes on with a cluster that is made, when something later had failed", () => {
    node.program("kubectl", `case "$*" in *coredns*) exit 1 ;; esac`);
    assert.match(node.boot().output, /FAILED while waiting for CoreDNS/);
    node.program("kubectl", "");
    const second = node.boot();
    assert.equal(second.status, 0, second.output);
    assert.ok(!second.calls.some((call) => /kubeadm (?:init|reset)/.test(call)));
  });

  it("joins when user data says where to, and adds what the image knows of the node", () => {
    node.file("etc/kubernetes/kvci-join.yaml", "discovery:\n  bootstrapToken: {}\n");
    node.program("kubeadm", `case "$1" in join) cat "\${2#--config=}" >> ${node.log} ;; esac`);
    const { status, output, calls } = node.boot();
    assert.equal(status, 0, output);
    assert.ok(after(calls, "kubeadm join --config=/run/kvci-join.yaml", "kind: JoinConfiguration", "discovery:"));
    assert.ok(!calls.some((call) => call.includes("apply")));
    assert.ok(!existsSync(join(node.root, "run/kvci-join.yaml")), "the token stays where user data put it");
  });

  it("refuses to join without being told where to", () => {
    const { status, output } = node.boot({ role: "join" });
    assert.equal(status, 1);
    assert.match(output, /no \S+\/kvci-join\.yaml: user data has to say which cluster to join/);
  });

  it("uses the configuration and the token that user data brings", () => {
    node.file("etc/kubernetes/kvci-init.yaml", "kind: InitConfiguration\n");
    node.file("etc/kubernetes/kvci-token", "abcdef.0123456789abcdef\n");
    const { calls } = node.boot();
    assert.ok(
      after(
        calls,
        "kubeadm init --config=/etc/kubernetes/kvci-init.yaml",
        "kubeadm token create abcdef.0123456789abcdef",
      ),
    );
  });

  it("says so when the node has no IPv6 address, unless the stack needs none", () => {
    node.program("ip", "echo '2: eth0 inet6 fe80::5/64 scope link'");
    assert.match(node.boot().output, /no IPv6 address beyond the link .* which the stack "dual" needs/);
    node.file("etc/kubernetes/cni/flannel-ipv4.yaml", "kind: DaemonSet\n");
    assert.equal(node.boot({ stack: "ipv4" }).status, 0);
  });

  it("keeps what an addon's data holds out of the shell", () => {
    const ready = [{ kind: "pod", name: "it's; reboot", condition: "Ready", timeoutSeconds: 1 }];
    const { status, output, calls } = node.boot({ addons: [{ ...addon, ready }] });
    assert.equal(status, 0, output);
    assert.ok(calls.includes("kubectl wait --for=condition=Ready pod/it's; reboot --timeout=1s"), calls.join("\n"));
  });
});
