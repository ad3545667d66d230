/** A reference without its scheme: optional registry, repository, optional tag and digest. */
const REFERENCE =
  /^(?:(?<registry>(?:localhost|[A-Za-z0-9][A-Za-z0-9.-]*\.[A-Za-z0-9.-]+|[A-Za-z0-9][A-Za-z0-9.-]*(?=:\d))(?::\d{1,5})?)\/)?(?<repository>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)(?::(?<tag>\w[\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/;

/** Longer texts are no references, and are not worth the search: config maps hold whole files. */
const LONGEST = 512;

/** An image reference taken apart, short names spelled out as container runtimes do. */
export interface ImageReference {
  /** Whole, as the lock names it: `docker.io/library/busybox:1.36`; without tag and digest, as `:latest`. */
  readonly ref: string;
  /** The text named a registry itself. */
  readonly hasRegistry: boolean;
  /** The text said which image of the repository: a tag or a digest. */
  readonly isExact: boolean;
}

/** @returns undefined for a text that is no image reference. */
export function parseImageReference(text: string): ImageReference | undefined {
  const groups = text.length > LONGEST ? undefined : REFERENCE.exec(text)?.groups;
  if (!groups) return undefined;
  const { registry, repository = "", tag, digest } = groups;
  const suffix = `${prefixed(":", tag)}${prefixed("@", digest)}`;
  const ref = `${wholeName(registry, repository)}${suffix === "" ? ":latest" : suffix}`;
  return { ref, hasRegistry: registry !== undefined, isExact: suffix !== "" };
}

function prefixed(mark: string, part: string | undefined): string {
  return part === undefined ? "" : `${mark}${part}`;
}

function wholeName(registry: string | undefined, repository: string): string {
  const host = registry?.toLowerCase() ?? "docker.io";
  if (host !== "docker.io" && host !== "index.docker.io") return `${host}/${repository}`;
  return `docker.io/${repository.includes("/") ? repository : `library/${repository}`}`;
}
