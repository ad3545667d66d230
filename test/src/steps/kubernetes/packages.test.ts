import assert from "node:assert/strict";
import { loadImages } from "../../../../src/core/op-makers.ts";
import {
  cniImages,
  containerImages,
  containerd,
  crio,
  kubernetesNodePrerequisites,
  kubernetesPackages,
} from "../../../../src/steps/index.ts";
import { centos, commandsOf, contentOf, debian, fedora } from "../golden.ts";
import { preRelease, v131 } from "./samples.ts";

describe("kubernetesPackages", () => {
  it("needs its repository and its packages, under names that stay", () => {
    const needs = kubernetesPackages(v131).needs?.(debian) ?? [];
    assert.deepEqual(
      needs.map((need) => need.kind),
      ["repository", "packages"],
    );
    assert.deepEqual(needs, kubernetesPackages(v131).needs?.({ ...debian }));
  });

  it("checks signatures, and keeps upgrades off what it installed", () => {
    const repository = contentOf(kubernetesPackages(v131).ops(fedora), "/etc/yum.repos.d/kubernetes.repo");
    assert.match(repository, /^gpgcheck=1\nrepo_gpgcheck=1$/m);
    const hold = commandsOf(kubernetesPackages(v131).ops(debian)).at(-2);
    assert.equal(hold, "apt-mark hold kubeadm kubelet kubectl cri-tools kubernetes-cni");
    assert.match(commandsOf(kubernetesPackages(v131).ops(fedora)).at(-2) ?? "", /excludepkgs=kubeadm kubelet kubectl/);
  });

  it("replaces the programs of a pre-release by those of its own, for the platform's architecture", () => {
    const ops = kubernetesPackages(preRelease).ops({ ...debian, arch: "arm64" });
    const fetched = ops.flatMap((op) => (op.kind === "fetch-in" && op.path.startsWith("/usr/bin/") ? [op] : []));
    assert.deepEqual(
      fetched.map(({ path }) => path),
      ["/usr/bin/kubeadm", "/usr/bin/kubelet", "/usr/bin/kubectl"],
    );
    assert.ok(fetched.every(({ url, mode }) => url.includes("/linux/arm64/") && mode === 0o755));
  });

  it("takes only what kubernetesVersion returns", () => {
    assert.throws(() => kubernetesPackages("1.31" as never), {
      code: "template-invalid",
      message: /give what kubernetesVersion/,
    });
  });
});

describe("crio", () => {
  it("has the pause image of its version and no network of its own, and is enabled", () => {
    const ops = crio({ version: v131 }).ops(debian);
    const config = contentOf(ops, "/etc/crio/crio.conf.d/50-kvci-build.conf");
    assert.match(config, /^pause_image = "registry\.k8s\.io\/pause:3\.10"$/m);
    assert.match(config, /^device_ownership_from_security_context = true$/m);
    assert.deepEqual(commandsOf(ops).slice(-2), ["sh -ec rm -f /etc/cni/net.d/*", "systemctl enable crio.service"]);
  });

  it("says nothing of registries unless asked, and refuses what is none", () => {
    const paths = crio({ version: v131 })
      .ops(debian)
      .map((op) => "path" in op && op.path);
    assert.ok(!paths.includes("/etc/containers/registries.conf.d/50-kvci-build.conf"));
    assert.throws(() => crio({ version: v131, insecureRegistries: ["http://registry"] }), {
      message: /a registry such as/,
    });
  });
});

describe("containerd for Kubernetes", () => {
  it("reads registries from a folder each, over plain HTTP where asked", () => {
    const ops = containerd({ insecureRegistries: ["registry:5000"] }).ops(debian);
    assert.match(contentOf(ops, "/etc/containerd/config.toml"), /config_path = "\/etc\/containerd\/certs\.d"/);
    const hosts = contentOf(ops, "/etc/containerd/certs.d/registry:5000/hosts.toml");
    assert.match(hosts, /^\[host\."http:\/\/registry:5000"\]$/m);
  });

  it("keeps SELinux in force where there is SELinux", () => {
    const config = (platform: typeof debian): string =>
      contentOf(containerd().ops(platform), "/etc/containerd/config.toml");
    assert.match(config(fedora), /enable_selinux = true/);
    assert.doesNotMatch(config(debian), /enable_selinux/);
  });
});

describe("kubernetesNodePrerequisites on CentOS Stream", () => {
  const installed = (release: string): string =>
    commandsOf(kubernetesNodePrerequisites().ops({ ...centos, release })).join("\n");

  it("installs the kernel's modules with the kernel that they fit", () => {
    assert.match(installed("9"), / kernel-core kernel-modules$/m);
    assert.match(installed("10"), / kernel-core kernel-modules kernel-modules-extra$/m);
    assert.doesNotMatch(commandsOf(kubernetesNodePrerequisites().ops(fedora)).join("\n"), /kernel-core/);
  });

  it("needs them from the lock, too", () => {
    const names = kubernetesNodePrerequisites()
      .needs?.({ ...centos, release: "10" })
      .flatMap((need) => (need.kind === "packages" ? need.names : []));
    assert.ok(names?.includes("kernel-modules-extra"));
  });
});

describe("containerImages", () => {
  it("is one op, each image once and sorted", () => {
    const images = ["registry.k8s.io/b:1", "registry.k8s.io/a:1", "registry.k8s.io/b:1"];
    const { manifests } = cniImages({ cni: "flannel" });
    const step = containerImages({ name: "core", runtime: "cri-o", images, manifests });
    assert.equal(step.name, "images-core");
    assert.deepEqual(step.ops(debian), [
      loadImages("cri-o", { images: ["registry.k8s.io/a:1", "registry.k8s.io/b:1"], manifests }),
    ]);
  });

  it("refuses to load nothing", () => {
    assert.throws(() => containerImages({ name: "core", runtime: "cri-o" }), { message: /at least one image/ });
  });
});
