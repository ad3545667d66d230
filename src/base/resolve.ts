import { readFile } from "node:fs/promises";
import type { CloudImage } from "../core/base.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import type { CloudImageEntry } from "../core/lock.ts";
import type { Arch } from "../core/platform.ts";
import { findDigest, parseChecksums } from "./checksum-file.ts";
import { imageSource, type ImageSource, type Signing } from "./distributions.ts";
import type { FetchFile } from "./http-file.ts";
import { applyMirrors } from "./mirrors.ts";
import { verifyClearSigned, verifyDetached, type TrustedKeys, type Verified } from "./signature.ts";

export interface ResolveOptions {
  readonly fetchFile: FetchFile;
  readonly now: () => Date;
  /** The environment's mirrors; asked for signed files only, since an unsigned file is as good as its server. */
  readonly mirrors?: Environment["mirrors"];
  /** Where an image is and who signs for it. Default: the table of distributions. */
  readonly source?: typeof imageSource;
  /** Text of a pinned key by file name. Default: the ones that come with kvci-build. */
  readonly readKey?: (keyFile: string) => Promise<string>;
}

/** Builds looked at when the newest does not have the image: one that is being uploaded, or without this architecture. */
const BUILDS_TRIED = 3;

/**
 * Finds the newest cloud image of a release: its immutable URL, and its digest as the distribution's checksum file has
 * it, signature checked where there is one.
 *
 * @throws {KvciError} `download-failed`, `signature-invalid`, `checksum-file-invalid`, `template-invalid`.
 */
export async function resolveCloudImage(
  image: Pick<CloudImage, "distribution" | "release">,
  arch: Arch,
  options: ResolveOptions,
): Promise<CloudImageEntry> {
  const source = (options.source ?? imageSource)(image.distribution, image.release, arch);
  let missing: KvciError | undefined;
  for (const folder of await buildFolders(source, options)) {
    try {
      return await resolveIn(folder, source, options);
    } catch (error) {
      if (!(error instanceof KvciError && error.code === "checksum-file-invalid")) throw error;
      missing ??= error;
    }
  }
  throw missing ?? nothingIn(source.folder, String(source.builds));
}

async function buildFolders(source: ImageSource, options: ResolveOptions): Promise<string[]> {
  const { folder, builds } = source;
  if (!builds) return [folder];
  const names = (await listing(folder, source, options)).filter((name) => builds.test(name));
  return newestFirst(names)
    .slice(0, BUILDS_TRIED)
    .map((name) => `${folder}${name}/`);
}

async function resolveIn(folder: string, source: ImageSource, options: ResolveOptions): Promise<CloudImageEntry> {
  const url = `${folder}${await checksumName(folder, source, options)}`;
  const { text, fingerprint } = await readSigned(url, source.signing, options);
  const checksums = parseChecksums(text);
  const [name] = newestFirst([...checksums.keys()].filter((candidate) => source.image.test(candidate)));
  return {
    url: `${folder}${name ?? ""}`,
    digest: findDigest(checksums, name ?? source.image.source),
    source: url,
    ...(fingerprint === undefined ? {} : { signedBy: fingerprint }),
    resolvedAt: options.now().toISOString(),
  };
}

/** What a folder lists. Where the checksum file is signed, a mirror may say it: at worst it hides newer builds. */
async function listing(folder: string, { signing }: ImageSource, options: ResolveOptions): Promise<string[]> {
  const fetchListing = signing.kind === "none" ? fetchText : fetchTextFromAny;
  return listedNames(await fetchListing(folder, options));
}

async function checksumName(folder: string, source: ImageSource, options: ResolveOptions): Promise<string> {
  const { checksums } = source;
  if (typeof checksums === "string") return checksums;
  const [name] = newestFirst((await listing(folder, source, options)).filter((item) => checksums.test(item)));
  if (name !== undefined) return name;
  throw nothingIn(folder, checksums.source);
}

async function readSigned(
  url: string,
  signing: Signing,
  options: ResolveOptions,
): Promise<Partial<Verified> & { text: string }> {
  if (signing.kind === "none") return { text: await fetchText(url, options) };
  const keys = await trustedKeys(signing, options);
  const signed = await fetchFromAny(url, options);
  const now = options.now();
  if (signing.kind === "clear-signed") return verifyClearSigned(signed, { keys, now });
  const signature = await fetchFromAny(`${url}${signing.signatureSuffix}`, options);
  return verifyDetached(signed, { signature, keys, now });
}

async function trustedKeys(signing: Exclude<Signing, { kind: "none" }>, options: ResolveOptions): Promise<TrustedKeys> {
  const readKey = options.readKey ?? ((file) => readFile(new URL(`keys/${file}`, import.meta.url), "utf8"));
  return { material: [await readKey(signing.keyFile)], fingerprints: [signing.fingerprint] };
}

async function fetchText(url: string, { fetchFile }: ResolveOptions): Promise<string> {
  return new TextDecoder().decode(await fetchFile(url));
}

async function fetchTextFromAny(url: string, options: ResolveOptions): Promise<string> {
  return new TextDecoder().decode(await fetchFromAny(url, options));
}

async function fetchFromAny(url: string, { fetchFile, mirrors = {} }: ResolveOptions): Promise<Uint8Array> {
  const urls = applyMirrors([url], mirrors);
  for (const mirror of urls.slice(0, -1)) {
    const file = await fetchFile(mirror).catch((error: unknown) => {
      if (error instanceof KvciError && error.code === "download-failed") return undefined;
      throw error;
    });
    if (file) return file;
  }
  return fetchFile(url);
}

/** Names of files and folders in a web server's listing, whichever server wrote it. */
export function listedNames(html: string): string[] {
  const names = [...html.matchAll(/href\s*=\s*["']([^"'?#]+)["']/gi)].map(([, href = ""]) => {
    const last = href.replace(/\/$/, "").split("/").at(-1) ?? "";
    return URL.canParse(last, "http://h/") ? safeDecode(last) : last;
  });
  return [...new Set(names)].filter((name) => name !== "");
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Dates and versions in names, compared as numbers: 1.10 is newer than 1.9. */
export function newestFirst(names: readonly string[]): string[] {
  const { compare } = new Intl.Collator("en", { numeric: true });
  return [...names].sort((a, b) => compare(b, a));
}

function nothingIn(folder: string, pattern: string): KvciError {
  return new KvciError("checksum-file-invalid", `nothing at ${folder} looks like ${pattern}`, {
    hint: "The distribution may have moved or ended this release. Open the URL, or give url and digest in the template.",
  });
}
