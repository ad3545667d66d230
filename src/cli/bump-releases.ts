import { bounded } from "../core/bounded.ts";
import { KvciError } from "../core/error.ts";
import type { KubernetesRelease } from "../steps/kubernetes/kubernetes-release.ts";

/** The table of releases, by minor. */
export type Releases = Readonly<Record<string, KubernetesRelease>>;

/** A minor whose entry is another from now on; without `from` the minor is new. */
export interface ReleaseChange {
  readonly minor: string;
  readonly from: KubernetesRelease | undefined;
  readonly to: KubernetesRelease;
}

export interface ReleaseSource {
  /** The text behind a URL; undefined where there is no such file. */
  readonly read: (url: string) => Promise<string | undefined>;
}

/** Which minors are looked at. */
export interface ReleaseScope {
  readonly minors: readonly string[];
  /** Whether a minor that the table does not have is proposed. */
  readonly newMinors: boolean;
}

const MARKERS = "https://dl.k8s.io/release";
const SOURCES = "https://raw.githubusercontent.com/kubernetes/kubernetes";
/** Requests at once. */
const AT_ONCE = 4;
/** Minors that are proposed in one go: nobody is further behind and wants them all. */
const MOST_NEW_MINORS = 3;

/**
 * Asks what the newest release of every minor is, and what its kubeadm brings; `from` is what the table has.
 *
 * @throws {KvciError} `download-failed` naming the URL, also for an answer that is none.
 */
export async function newerReleases(
  releases: Releases,
  { minors, newMinors }: ReleaseScope,
  source: ReleaseSource,
): Promise<ReleaseChange[]> {
  const known = await bounded(minors, AT_ONCE, (minor) => changeOf(minor, releases, source));
  const added = newMinors ? await addedMinors(releases, source) : [];
  return [...known.flat(), ...added];
}

async function changeOf(minor: string, releases: Releases, source: ReleaseSource): Promise<ReleaseChange[]> {
  const from = releases[minor];
  if (!from) return [];
  const version = await newestOf(minor, from, source);
  if (version === undefined || compareVersions(version, from.version) <= 0) return [];
  const to = settled(minor, { ...from, version, ...(await kubeadmImages(version, source)) });
  return [{ minor, from, to }];
}

/** A pre-release is followed by newer ones until the minor has a stable release. */
async function newestOf(
  minor: string,
  { version }: KubernetesRelease,
  source: ReleaseSource,
): Promise<string | undefined> {
  const stable = await marker(`${MARKERS}/stable-${minor}.txt`, source);
  if (stable !== undefined || !version.includes("-")) return stable;
  return marker(`${MARKERS}/latest-${minor}.txt`, source);
}

/** Packages of a stable release are the minor's own; those of a pre-release were the minor's before. */
function settled(minor: string, release: KubernetesRelease): KubernetesRelease {
  if (release.version.includes("-")) return release;
  const isOwn = (version: string): boolean => version === minor || version.startsWith(`${minor}.`);
  return {
    ...release,
    criTools: isOwn(release.criTools) ? release.criTools : `${minor}.0`,
    crio: isOwn(release.crio) ? release.crio : minor,
  };
}

async function addedMinors(releases: Releases, source: ReleaseSource): Promise<ReleaseChange[]> {
  const url = `${MARKERS}/stable.txt`;
  const stable = await marker(url, source);
  if (stable === undefined) throw unreadable(url, "there is no such file");
  const newest = Math.max(...Object.keys(releases).map(numberOf));
  const before = releases[`1.${String(newest)}`];
  const added: ReleaseChange[] = [];
  const last = Math.min(numberOf(stable), newest + MOST_NEW_MINORS);
  for (let number = newest + 1; before && number <= last; number += 1) {
    const minor = `1.${String(number)}`;
    const version = await marker(`${MARKERS}/stable-${minor}.txt`, source);
    if (version === undefined) continue;
    const to = settled(minor, { ...before, version, ...(await kubeadmImages(version, source)) });
    added.push({ minor, from: undefined, to });
  }
  return added;
}

async function marker(url: string, { read }: ReleaseSource): Promise<string | undefined> {
  const text = await read(url);
  if (text === undefined) return undefined;
  const version = /^v(1\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)\s*$/.exec(text)?.[1];
  if (version !== undefined) return version;
  throw unreadable(url, `it says ${JSON.stringify(text.slice(0, 60))}, which is no version`);
}

/** Images that kubeadm starts a cluster with, from its source: nothing else states them before the release is installed. */
async function kubeadmImages(
  version: string,
  { read }: ReleaseSource,
): Promise<Pick<KubernetesRelease, "pause" | "etcd" | "coreDns">> {
  const url = `${SOURCES}/v${version}/cmd/kubeadm/app/constants/constants.go`;
  const text = await read(url);
  if (text === undefined) throw unreadable(url, "there is no such file");
  const value = (name: string): string => {
    const found = new RegExp(`^\\s*(?:const\\s+)?${name}\\s*=\\s*"([^"]+)"`, "m").exec(text)?.[1];
    if (found !== undefined) return found;
    throw unreadable(url, `it does not say ${name}`);
  };
  const etcd = supportedEtcd(text, numberOf(version)) ?? value("DefaultEtcdVersion");
  return { pause: value("PauseVersion"), etcd, coreDns: value("CoreDNSVersion") };
}

/** kubeadm has a table of etcd by minor, which counts before its default: patch releases change that table only. */
function supportedEtcd(text: string, minor: number): string | undefined {
  const table = /SupportedEtcdVersion\s*=\s*map\[[^{]*\{([^}]*)\}/.exec(text)?.[1] ?? "";
  return new RegExp(`^\\s*${String(minor)}:\\s*"([^"]+)"`, "m").exec(table)?.[1];
}

/** "1.31.2" and "1.31" are 31. */
function numberOf(version: string): number {
  return Number(version.split(".")[1]);
}

/** By numbers; a pre-release comes before its release, alpha before beta before rc. */
export function compareVersions(a: string, b: string): number {
  const { compare } = new Intl.Collator("en", { numeric: true });
  const [[release = "", early], [otherRelease = "", otherEarly]] = [a.split("-"), b.split("-")];
  if (release !== otherRelease) return compare(release, otherRelease);
  if (early === undefined || otherEarly === undefined) {
    return Number(early === undefined) - Number(otherEarly === undefined);
  }
  return compare(early, otherEarly);
}

function unreadable(url: string, why: string): KvciError {
  return new KvciError("download-failed", `${url}: ${why}`, {
    hint: "Open the URL: a mirror or proxy may answer in its place. Else edit templates/kubernetes/versions.json by hand.",
  });
}
