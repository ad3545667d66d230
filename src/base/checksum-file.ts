import type { Digest } from "../core/digest.ts";
import { KvciError } from "../core/error.ts";

/** What a checksum file says: digest by file name. Where it has two of one file, SHA-256 goes before SHA-512. */
export type Checksums = ReadonlyMap<string, Digest>;

interface Entry {
  readonly name: string;
  readonly algorithm: string;
  readonly hex: string;
}

/** `<hex> *name` and `<hex>  name`; a leading backslash says that the name is escaped. */
const GNU = /^(\\?)([0-9a-f]{32,128}) [ *](.+)$/i;
/** `SHA256 (name) = <hex>` */
const BSD = /^([A-Za-z0-9-]+) \((.+)\) = ([0-9a-f]+)$/i;

const HEX_DIGITS = new Map([
  ["sha256", 64],
  ["sha512", 128],
]);
/** Too weak, or nobody signs with them: such lines are passed over, and a file of nothing else is refused. */
const PASSED_OVER = new Map([
  ["md5", 32],
  ["sha1", 40],
  ["sha224", 56],
  ["sha384", 96],
]);
/** By length of the hexadecimal digits, for GNU lines, which do not say. */
const BY_LENGTH = new Map([...HEX_DIGITS, ...PASSED_OVER].map(([algorithm, digits]) => [digits, algorithm]));

/**
 * Reads a checksum file in GNU or BSD layout, comments (`# file: 123 bytes`) and all. Of a clear-signed file the text
 * between the armour lines is read; whether the signature holds is not looked at here.
 *
 * @throws {KvciError} `checksum-file-invalid` for a line that is neither, a name that is a path, two digests of one
 *   file, or no SHA-256 and SHA-512 at all.
 */
export function parseChecksums(text: string): Checksums {
  const found = new Map<string, Map<string, string>>();
  for (const [index, line] of signedLines(text).entries()) {
    const trimmed = line.trimEnd();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const entry = readLine(trimmed);
    if (!entry) throw invalid(`line ${String(index + 1)} is not a checksum: ${excerpt(trimmed)}`);
    if (HEX_DIGITS.has(entry.algorithm)) note(found, entry);
  }
  if (found.size === 0) throw invalid("there is no SHA-256 or SHA-512 checksum in it");
  return new Map([...found].map(([name, digests]) => [name, strongest(digests)]));
}

/**
 * The digest of one file.
 *
 * @throws {KvciError} `checksum-file-invalid` when the file is not named.
 */
export function findDigest(checksums: Checksums, name: string): Digest {
  const digest = checksums.get(name);
  if (digest) return digest;
  throw invalid(`it does not name ${excerpt(name)}`, [...checksums.keys()].slice(0, 10));
}

/** Line by line, not by one pattern: a file made to take long must not. */
function signedLines(text: string): readonly string[] {
  const lines = text.split(/\r?\n/);
  const start = lines.indexOf("-----BEGIN PGP SIGNED MESSAGE-----");
  if (start < 0) return lines;
  const body = lines.indexOf("", start);
  const end = lines.indexOf("-----BEGIN PGP SIGNATURE-----", body);
  if (body < 0 || end < 0) throw invalid("the signed text has no end");
  return lines.slice(body, end).map((line) => line.replace(/^- /, ""));
}

function readLine(line: string): Entry | undefined {
  const bsd = BSD.exec(line);
  if (bsd) return bsdEntry(bsd);
  const gnu = GNU.exec(line);
  return gnu ? gnuEntry(gnu) : undefined;
}

function gnuEntry([, escaped = "", hex = "", name = ""]: readonly string[]): Entry | undefined {
  const algorithm = BY_LENGTH.get(hex.length);
  if (algorithm === undefined) return undefined;
  if (escaped !== "") throw invalid(`a file name with special characters: ${excerpt(name)}`);
  return { name: plainName(name), algorithm, hex: hex.toLowerCase() };
}

function bsdEntry([, label = "", name = "", hex = ""]: readonly string[]): Entry | undefined {
  const algorithm = label.toLowerCase().replace("-", "");
  const digits = HEX_DIGITS.get(algorithm) ?? PASSED_OVER.get(algorithm);
  if (digits !== hex.length) return undefined;
  return { name: plainName(name), algorithm, hex: hex.toLowerCase() };
}

/** A name is compared with the image's and never taken apart, so one that is a path could only be meant to deceive. */
function plainName(written: string): string {
  const name = written.replace(/^\.\//, "");
  if (/^[\w+~=@%, ()[\]:.-]+$/.test(name) && name !== "." && name !== "..") return name;
  throw invalid(`not a plain file name: ${excerpt(written)}`);
}

function note(found: Map<string, Map<string, string>>, { name, algorithm, hex }: Entry): void {
  const digests = found.get(name) ?? new Map<string, string>();
  if ((digests.get(algorithm) ?? hex) !== hex) throw invalid(`it has two different digests of ${name}`);
  found.set(name, digests.set(algorithm, hex));
}

function strongest(digests: ReadonlyMap<string, string>): Digest {
  const sha256 = digests.get("sha256");
  return sha256 === undefined ? `sha512:${digests.get("sha512") ?? ""}` : `sha256:${sha256}`;
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function invalid(reason: string, names: readonly string[] = []): KvciError {
  return new KvciError("checksum-file-invalid", `the checksum file cannot be used: ${reason}`, {
    hint: "Open the checksum file's URL: a proxy's login page or a half-updated mirror looks like this. Else give url and digest in the template.",
    evidence: names.length === 0 ? [] : ["it names:", ...names],
  });
}
