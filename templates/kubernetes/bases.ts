import { cloudImage, packages, type RepositoryInput, type Template } from "kvci-build";

/** What a node can start from, and what its distribution does not bring. */
export interface NodeBase {
  readonly image: Template["base"];
  readonly selinux: boolean;
  /** Docker's repository: containerd where the distribution has none, or too old a one. */
  readonly docker: RepositoryInput;
  /** The newest containerd of the distribution itself, as its major version; none on CentOS Stream. */
  readonly containerd?: number;
  /** Where Open vSwitch comes from if not from the distribution. */
  readonly openVswitch?: { readonly package: string; readonly repository: RepositoryInput };
}

/** Debian as packages needs nothing but a package mirror to build; the others are their distribution's cloud image. */
export const BASES = {
  "debian-12": debian("12", "packages"),
  "debian-13": debian("13", "packages"),
  "debian-12-cloud": debian("12", "cloud-image"),
  "debian-13-cloud": debian("13", "cloud-image"),
  "fedora-43": {
    image: cloudImage({ distribution: "fedora", release: "43" }),
    selinux: true,
    docker: dockerForDnf("fedora", "43"),
    containerd: 2,
  },
  "centos-9": centos("9", "openvswitch2.16"),
  "centos-10": centos("10", "openvswitch3.5"),
} as const satisfies Readonly<Record<string, NodeBase>>;

export type NodeBaseName = keyof typeof BASES;

function debian(release: "12" | "13", from: "packages" | "cloud-image"): NodeBase {
  const system = { distribution: "debian", release } as const;
  const url = "https://download.docker.com/linux/debian";
  return {
    image: from === "packages" ? packages(system) : cloudImage(system),
    selinux: false,
    docker: {
      name: "docker",
      signingKey: { url: `${url}/gpg` },
      apt: { uris: [url], suites: [release === "12" ? "bookworm" : "trixie"], components: ["stable"] },
    },
    // 1.6.20 and 1.7.24.
    containerd: 1,
  };
}

/** CentOS Stream has Open vSwitch in a repository of its network SIG. */
function centos(release: "9" | "10", openVswitch: string): NodeBase {
  return {
    image: cloudImage({ distribution: "centos", release }),
    selinux: true,
    docker: dockerForDnf("centos", release),
    openVswitch: {
      package: openVswitch,
      repository: {
        name: "centos-nfv",
        signingKey: { url: "https://www.centos.org/keys/RPM-GPG-KEY-CentOS-SIG-NFV" },
        dnf: { baseUrl: `https://mirror.stream.centos.org/SIGs/${release}-stream/nfv/$basearch/openvswitch-2/` },
      },
    },
  };
}

function dockerForDnf(distribution: "fedora" | "centos", release: string): RepositoryInput {
  const url = `https://download.docker.com/linux/${distribution}`;
  return {
    name: "docker",
    signingKey: { url: `${url}/gpg` },
    dnf: { baseUrl: `${url}/${release}/$basearch/stable` },
  };
}
