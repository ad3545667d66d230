import { KvciError } from "../../core/error.ts";
import { lastLines } from "../../host/last-lines.ts";

/** A package that is not there, or not in the version that is wanted. */
export interface MissingPackage {
  readonly name: string;
  readonly version: string | undefined;
}

/** Versions that fit into one line of an error. */
const SHOWN_VERSIONS = 20;

/** @param context.offered the versions of the package that there are, newest first. */
export function notOffered(
  { name, version }: MissingPackage,
  { offered, set }: { readonly offered: readonly string[]; readonly set: string },
): KvciError {
  const wanted = version === undefined ? name : `${name} ${version}`;
  const known =
    offered.length === 0 ? "no version of it is there" : `there are ${offered.slice(0, SHOWN_VERSIONS).join(", ")}`;
  return new KvciError("packages-unresolvable", `no repository offers ${wanted} for ${set}: ${known}`, {
    hint: "Ask for a version that is there, or add the repository that has it before the step that installs it.",
  });
}

/** @param output what the package manager said. */
export function unsolvable(set: string, output: string): KvciError {
  const telling = output.split("\n").filter((line) => !/^(?:Reading|Building|NOTE|Note)/.test(line));
  return new KvciError("packages-unresolvable", `the packages of ${set} cannot be installed together`, {
    hint: "Compare what the packages below depend on with the repositories that the template adds.",
    evidence: lastLines(telling.join("\n"), 20),
  });
}

/** Nothing could be compared with it later. */
export function undigested(what: string): KvciError {
  return new KvciError("packages-unresolvable", `a repository has no sha256 of a package: ${what}`, {
    hint: "Ask the repository's keeper for an index with sha256 sums, or take the package from elsewhere.",
  });
}

/** @param index what it is of: a repository with its place. */
export function badSignature(index: string, evidence: readonly string[]): KvciError {
  return new KvciError("signature-invalid", `the index of ${index} is not signed by its key`, {
    hint: "Nothing was taken over. Try another mirror; if the repository has a new key, compare its fingerprint with the repository's own site and put it into the template.",
    evidence,
  });
}

/** @param index what it is of: a repository with its place. */
export function otherBytes(index: string, evidence: readonly string[]): KvciError {
  return new KvciError("digest-mismatch", `an index of ${index} is not what its list says`, {
    hint: "A mirror that is being updated passes: run the same command again in some minutes, or name another mirror.",
    evidence,
  });
}

export function unreachable(url: string, evidence: readonly string[]): KvciError {
  return new KvciError("download-failed", `cannot fetch ${url}`, {
    hint: "Open the URL. Check the network and the proxy, or name a mirror in the environment.",
    evidence,
  });
}
