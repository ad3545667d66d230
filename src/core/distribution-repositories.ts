import type { Arch, Platform } from "./platform.ts";

/** A repository that a distribution's systems have by themselves, at the place that its own servers have it. */
export type DistributionRepository = AptDistributionRepository | DnfDistributionRepository;

export interface AptDistributionRepository {
  readonly name: string;
  readonly apt: {
    readonly uris: readonly string[];
    readonly suites: readonly string[];
    readonly components: readonly string[];
  };
  /** The keyring on a host whose distribution knows this one, with the packages that bring it. */
  readonly keyring: string;
  readonly keyringPackages: string;
}

export interface DnfDistributionRepository {
  /** The repository's id in the system's own files. */
  readonly name: string;
  /** With dnf's own `$releasever`, `$basearch` and, on CentOS, `$stream`. None of these indexes is signed; their packages are. */
  readonly dnf: { readonly baseUrl: string };
}

/** The names that Debian's and Ubuntu's archives file releases under. */
const SUITES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  debian: { "11": "bullseye", "12": "bookworm", "13": "trixie" },
  ubuntu: { "22.04": "jammy", "24.04": "noble", "26.04": "resolute" },
};

/**
 * What their metalinks and mirror lists lead to, by distribution and repository id: a relay takes one place for another, not
 * whatever mirror a list names today. Only what is enabled in the images, and crb.
 */
const DNF_PLACES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  fedora: {
    fedora: "https://dl.fedoraproject.org/pub/fedora/linux/releases/$releasever/Everything/$basearch/os/",
    updates: "https://dl.fedoraproject.org/pub/fedora/linux/updates/$releasever/Everything/$basearch/",
  },
  centos: {
    baseos: "https://mirror.stream.centos.org/$stream/BaseOS/$basearch/os/",
    appstream: "https://mirror.stream.centos.org/$stream/AppStream/$basearch/os/",
    crb: "https://mirror.stream.centos.org/$stream/CRB/$basearch/os/",
    "extras-common": "https://mirror.stream.centos.org/SIGs/$stream/extras/$basearch/extras-common/",
  },
};

/** In the images, but not enabled there. */
const OPTIONAL = new Set(["crb"]);

/** Where repositories of a dnf system are that its files only name lists of mirrors for, by repository id. */
export function dnfPlaces({
  distribution,
  arch,
}: Pick<Platform, "distribution" | "arch">): Readonly<Record<string, string>> {
  const places = DNF_PLACES[distribution] ?? {};
  return Object.fromEntries(Object.entries(places).map(([name, place]) => [name, placeFor(place, arch)]));
}

/** Fedora keeps s390x among its secondary architectures. */
function placeFor(place: string, arch: Arch): string {
  return arch === "s390x" ? place.replace("/pub/fedora/linux/", "/pub/fedora-secondary/") : place;
}

/** The repositories that a system of that platform has by itself; none for a distribution or release that is not known. */
export function distributionRepositories(platform: Platform): readonly DistributionRepository[] {
  if (platform.family === "apt") return aptRepositories(platform);
  return Object.entries(dnfPlaces(platform))
    .filter(([name]) => !OPTIONAL.has(name))
    .map(([name, baseUrl]) => ({ name, dnf: { baseUrl } }));
}

function aptRepositories({ distribution, release, arch }: Platform): readonly AptDistributionRepository[] {
  const suite = SUITES[distribution]?.[release];
  if (suite === undefined) return [];
  return distribution === "ubuntu" ? ubuntuRepositories(suite, arch) : debianRepositories(suite);
}

function debianRepositories(suite: string): readonly AptDistributionRepository[] {
  const components = ["main"];
  const keyring = {
    keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
    keyringPackages: "debian-archive-keyring (apt) or debian-keyring (dnf)",
  };
  const archive = { uris: ["http://deb.debian.org/debian"], suites: [suite, `${suite}-updates`], components };
  // As mmdebstrap writes it.
  const security = { uris: ["http://security.debian.org/debian-security"], suites: [`${suite}-security`], components };
  return [
    { name: "debian", apt: archive, ...keyring },
    { name: "debian-security", apt: security, ...keyring },
  ];
}

function ubuntuRepositories(suite: string, arch: Arch): readonly AptDistributionRepository[] {
  const components = ["main", "universe"];
  const keyring = {
    keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    keyringPackages: "ubuntu-archive-keyring or ubuntu-keyring (apt), ubu-keyring (dnf)",
  };
  const ports = ["http://ports.ubuntu.com/ubuntu-ports"];
  const uris = arch === "amd64" ? ["http://archive.ubuntu.com/ubuntu"] : ports;
  const security = arch === "amd64" ? ["http://security.ubuntu.com/ubuntu"] : ports;
  return [
    { name: "ubuntu", apt: { uris, suites: [suite, `${suite}-updates`], components }, ...keyring },
    { name: "ubuntu-security", apt: { uris: security, suites: [`${suite}-security`], components }, ...keyring },
  ];
}
