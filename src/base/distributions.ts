import type { Distribution } from "../core/base.ts";
import { KvciError } from "../core/error.ts";
import type { Arch } from "../core/platform.ts";
import { FEDORA_FINGERPRINTS, UBUNTU_FINGERPRINT } from "./fingerprints.ts";

/** How a distribution signs its checksum files. */
export type Signing =
  | { readonly kind: "clear-signed"; readonly keyFile: string; readonly fingerprint: string }
  | {
      readonly kind: "detached";
      readonly signatureSuffix: string;
      readonly keyFile: string;
      readonly fingerprint: string;
    }
  /** Not at all: HTTPS to the distribution's own server is all there is. */
  | { readonly kind: "none" };

/** Where a distribution keeps the generic cloud image of one release and architecture. */
export interface ImageSource {
  /** Folder that is listed; ends with "/". */
  readonly folder: string;
  /** Where every build has a folder of its own below `folder`: the names of those, the newest of which is taken. */
  readonly builds?: RegExp;
  /** The checksum file's name, or what it looks like in the listing. */
  readonly checksums: string | RegExp;
  /** The image's name in the checksum file. Never one that says "latest": what it names changes. */
  readonly image: RegExp;
  readonly signing: Signing;
}

type Describe = (release: string, arch: Arch) => ImageSource | undefined;

const RPM_ARCH = { amd64: "x86_64", arm64: "aarch64", s390x: "s390x" } as const;

const DEBIAN_NAMES = new Map([
  ["11", "bullseye"],
  ["12", "bookworm"],
  ["13", "trixie"],
]);

/** https://docs.fedoraproject.org: images of s390x are in the tree of secondary architectures. */
function fedora(release: string, arch: Arch): ImageSource | undefined {
  const fingerprint = FEDORA_FINGERPRINTS.get(release);
  if (fingerprint === undefined) throw unknownKey(release);
  const machine = RPM_ARCH[arch];
  const tree = arch === "s390x" ? "fedora-secondary" : "fedora/linux";
  return {
    folder: `https://download.fedoraproject.org/pub/${tree}/releases/${release}/Cloud/${machine}/images/`,
    checksums: new RegExp(`^Fedora-Cloud-${release}-[\\d.]+-${machine}-CHECKSUM$`),
    image: new RegExp(`^Fedora-Cloud-Base-Generic-${release}-[\\d.]+\\.${machine}\\.qcow2$`),
    signing: { kind: "clear-signed", keyFile: `fedora-${release}.asc`, fingerprint },
  };
}

/** One checksum file lists the builds of all dates. */
function centos(release: string, arch: Arch): ImageSource | undefined {
  if (release !== "9" && release !== "10") return undefined;
  const machine = RPM_ARCH[arch];
  return {
    folder: `https://cloud.centos.org/centos/${release}-stream/${machine}/images/`,
    checksums: "CHECKSUM",
    image: new RegExp(`^CentOS-Stream-GenericCloud-${release}-\\d{8}\\.\\d+\\.${machine}\\.qcow2$`),
    signing: { kind: "none" },
  };
}

function debian(release: string, arch: Arch): ImageSource | undefined {
  const name = DEBIAN_NAMES.get(release);
  if (name === undefined || arch === "s390x") return undefined;
  return {
    folder: `https://cloud.debian.org/images/cloud/${name}/`,
    builds: /^\d{8}-\d+$/,
    checksums: "SHA512SUMS",
    image: new RegExp(`^debian-${release}-genericcloud-${arch}-\\d{8}-\\d+\\.qcow2$`),
    signing: { kind: "none" },
  };
}

function ubuntu(release: string, arch: Arch): ImageSource | undefined {
  if (!/^\d\d\.\d\d$/.test(release)) return undefined;
  return {
    folder: `https://cloud-images.ubuntu.com/releases/${release}/`,
    builds: /^release-\d{8}(?:\.\d+)?$/,
    checksums: "SHA256SUMS",
    image: new RegExp(`^ubuntu-${release.replace(".", "\\.")}-server-cloudimg-${arch}\\.img$`),
    signing: { kind: "detached", signatureSuffix: ".gpg", keyFile: "ubuntu.asc", fingerprint: UBUNTU_FINGERPRINT },
  };
}

const DISTRIBUTIONS: Readonly<Record<Distribution, { readonly describe: Describe; readonly known: string }>> = {
  fedora: { describe: fedora, known: `${[...FEDORA_FINGERPRINTS.keys()].join(", ")} on amd64, arm64, s390x` },
  centos: { describe: centos, known: "9, 10 on amd64, arm64, s390x" },
  debian: { describe: debian, known: `${[...DEBIAN_NAMES.keys()].join(", ")} on amd64, arm64` },
  ubuntu: { describe: ubuntu, known: "releases such as 22.04 or 24.04 on amd64, arm64, s390x" },
};

/**
 * Where to find the cloud image of a release.
 *
 * @throws {KvciError} `template-invalid` for a release or architecture without a known image, `signature-invalid` for a
 *   Fedora release whose key is not pinned.
 */
export function imageSource(distribution: Distribution, release: string, arch: Arch): ImageSource {
  const { describe, known } = DISTRIBUTIONS[distribution];
  const source = describe(release, arch);
  if (source) return source;
  throw new KvciError("template-invalid", `no known cloud image of ${distribution} ${release} for ${arch}`, {
    hint: `Known: ${known}. For others give url and digest in the template.`,
  });
}

function unknownKey(release: string): KvciError {
  return new KvciError("signature-invalid", `the key that signs Fedora ${release} is not pinned`, {
    hint: `Take its fingerprint from https://fedoraproject.org/security/, add it to src/base/fingerprints.ts and the key as src/base/keys/fedora-${release}.asc (docs/bases.md says how), or give url and digest in the template.`,
    evidence: [`pinned: ${[...FEDORA_FINGERPRINTS.keys()].join(", ")}`],
  });
}
