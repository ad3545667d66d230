import assert from "node:assert/strict";
import { kubernetesVersion, type KubernetesRelease } from "../../../../src/steps/kubernetes/kubernetes-version.ts";

const RELEASE: KubernetesRelease = {
  version: "1.35.9",
  pause: "3.10.1",
  etcd: "3.6.6-0",
  coreDns: "v1.13.1",
  criTools: "1.35.0",
  kubernetesCni: "1.8.0",
  kubeadmApi: "v1beta4",
  crio: "1.35",
};
const TABLE = { "1.35": RELEASE };

describe("Kubernetes version", () => {
  it("derives every string that goes with a minor", () => {
    const { binaries, ...version } = kubernetesVersion("1.35", TABLE);
    const url = "https://pkgs.k8s.io/core:/stable:/v1.35";
    const crioUrl = "https://download.opensuse.org/repositories/isv:/cri-o:/stable:/v1.35";
    const packages = [
      "kubeadm@1.35.9-*",
      "kubelet@1.35.9-*",
      "kubectl@1.35.9-*",
      "cri-tools@1.35.0-*",
      "kubernetes-cni@1.8.0-*",
    ];
    assert.deepEqual(version, {
      minor: "1.35",
      version: "1.35.9",
      preRelease: false,
      kubeadmApi: "v1beta4",
      pauseImage: "registry.k8s.io/pause:3.10.1",
      // The very lines of `kubeadm config images list --kubernetes-version v1.35.9`.
      images: [
        "registry.k8s.io/kube-apiserver:v1.35.9",
        "registry.k8s.io/kube-controller-manager:v1.35.9",
        "registry.k8s.io/kube-scheduler:v1.35.9",
        "registry.k8s.io/kube-proxy:v1.35.9",
        "registry.k8s.io/coredns/coredns:v1.13.1",
        "registry.k8s.io/pause:3.10.1",
        "registry.k8s.io/etcd:3.6.6-0",
      ],
      repository: repository("kubernetes", url),
      packages: { apt: packages, dnf: packages },
      crioRepository: repository("cri-o", crioUrl),
      crioPackages: { apt: ["cri-o@1.35.*"], dnf: ["cri-o@1.35.*"] },
    });
    assert.deepEqual(binaries("amd64"), []);
  });

  it("takes one version of CRI-O instead of the newest of its stream", () => {
    const { crioPackages, crioRepository } = kubernetesVersion("1.35", { "1.35": { ...RELEASE, crio: "1.35.2" } });
    assert.deepEqual(crioPackages.apt, ["cri-o@1.35.2-*"]);
    assert.match(crioRepository.dnf.baseUrl, /stable:\/v1\.35\/rpm\/$/);
  });

  describe("of a pre-release", () => {
    const candidate = { ...RELEASE, version: "1.36.0-rc.1" };

    it("has the packages of the minor before and programs of its own", () => {
      const version = kubernetesVersion("1.36", { ...TABLE, "1.36": { ...candidate, crio: "1.36" } });
      assert.equal(version.preRelease, true);
      assert.ok(version.packages.apt.includes("kubelet@1.35.9-*"));
      assert.match(version.repository.dnf.baseUrl, /v1\.35/);
      assert.ok(version.images.includes("registry.k8s.io/kube-proxy:v1.36.0-rc.1"));
      assert.deepEqual(version.binaries("arm64"), [
        { name: "kubeadm", url: "https://dl.k8s.io/release/v1.36.0-rc.1/bin/linux/arm64/kubeadm" },
        { name: "kubelet", url: "https://dl.k8s.io/release/v1.36.0-rc.1/bin/linux/arm64/kubelet" },
        { name: "kubectl", url: "https://dl.k8s.io/release/v1.36.0-rc.1/bin/linux/arm64/kubectl" },
      ]);
    });

    it("has CRI-O of the release branch, or of the minor before", () => {
      const own = kubernetesVersion("1.36", { ...TABLE, "1.36": { ...candidate, crio: "1.36" } });
      const before = kubernetesVersion("1.36", { ...TABLE, "1.36": candidate });
      assert.match(own.crioRepository.dnf.baseUrl, /isv:\/cri-o:\/prerelease:\/v1\.36\/rpm\/$/);
      assert.match(before.crioRepository.dnf.baseUrl, /isv:\/cri-o:\/stable:\/v1\.35\/rpm\/$/);
    });
  });

  describe("refuses", () => {
    const refused: readonly (readonly [string, string, Readonly<Record<string, unknown>>, RegExp])[] = [
      [
        "a minor that is not in the table, with the nearest",
        "1.53",
        TABLE,
        /no Kubernetes "1\.53"; did you mean "1\.35"\?/,
      ],
      [
        "a version of another minor",
        "1.35",
        entry({ version: "1.34.1" }),
        /1\.35\.version: "1\.34\.1" is no version of 1\.35/,
      ],
      [
        "a version whose minor only begins the same",
        "1.3",
        { "1.3": RELEASE },
        /1\.3\.version: "1\.35\.9" is no version of 1\.3/,
      ],
      [
        "CRI-O of another minor",
        "1.35",
        entry({ crio: "1.34" }),
        /1\.35\.crio: CRI-O "1\.34" is not of Kubernetes 1\.35/,
      ],
      ["cri-tools of another minor", "1.35", entry({ criTools: "1.34.0" }), /have no cri-tools "1\.34\.0"/],
      [
        "an etcd that came later",
        "1.33",
        { "1.33": { ...RELEASE, version: "1.33.1", criTools: "1.33.0", crio: "1.33" } },
        /1\.33\.etcd: "3\.6\.6-0" is not of Kubernetes 1\.33/,
      ],
      [
        "an etcd that was before",
        "1.35",
        entry({ etcd: "3.5.24-0" }),
        /1\.35\.etcd: "3\.5\.24-0" is not of Kubernetes 1\.35/,
      ],
      [
        "an older kubeadm API",
        "1.35",
        entry({ kubeadmApi: "v1beta3" }),
        /"v1beta3" is not of Kubernetes 1\.35, whose kubeadm has v1beta4/,
      ],
      [
        "a kubeadm API that there is not",
        "1.35",
        entry({ kubeadmApi: "v1" }),
        /1\.35\.kubeadmApi: "v1" is not known here: one of v1beta3, v1beta4/,
      ],
      ["a tag without the image's revision", "1.35", entry({ etcd: "3.6.6" }), /1\.35\.etcd: a tag of the etcd image/],
      ["a tag without its v", "1.35", entry({ coreDns: "1.13.1" }), /1\.35\.coreDns: a tag of the CoreDNS image/],
      ["an unknown key", "1.35", entry({ coredns: "v1.13.1" }), /unknown key "coredns"; did you mean "coreDns"\?/],
      [
        "a pre-release without a stable minor before it",
        "1.35",
        entry({ version: "1.35.0-rc.1", criTools: "1.34.0" }),
        /its packages are those of a stable 1\.34, which is not in the table/,
      ],
    ];
    for (const [what, minor, releases, message] of refused) {
      it(what, () => {
        assert.throws(() => kubernetesVersion(minor, releases as Readonly<Record<string, KubernetesRelease>>), {
          code: "template-invalid",
          message,
        });
      });
    }

    it("with every mistake of an entry, not only the first", () => {
      const wrong = { "1.35": { ...RELEASE, crio: "1.31", criTools: "1.31.1", etcd: "3.5.24-0" } };
      assert.throws(() => kubernetesVersion("1.35", wrong), /criTools: .*crio: .*etcd: /s);
    });
  });
});

function entry(change: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return { "1.35": { ...RELEASE, ...change } };
}

function repository(name: string, url: string): unknown {
  return {
    name,
    signingKey: { url: `${url}/deb/Release.key` },
    apt: { uris: [`${url}/deb/`], suites: ["/"], components: [] },
    dnf: { baseUrl: `${url}/rpm/`, signedIndex: true },
  };
}
