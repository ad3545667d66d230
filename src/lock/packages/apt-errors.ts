import type { KvciError } from "../../core/error.ts";
import { lastLines } from "../../host/last-lines.ts";
import type { AptOutput, AptPlace } from "./apt-root.ts";
import { badSignature, otherBytes, unreachable, type MissingPackage } from "./unresolvable.ts";

const SIGNATURE =
  /NO_PUBKEY|BADSIG|EXPKEYSIG|EXPSIG|REVKEYSIG|KEYEXPIRED|not signed|NOSPLIT|NODATA|[Ss]ignatures? (?:could|couldn|were|was|verification)|keyring .* (?:not|is)/;
const OTHER_BYTES = /Hash Sum mismatch|unexpected size/;
const FAILED_URL = /^E: Failed to fetch (\S+)\s+(.*)$/m;
const NO_INDEX = /^E: The repository '(\S+) .*' (?:does not have|no longer has) a Release file/m;

/** What was wrong when indexes were read. */
export function updateError({ all }: AptOutput, places: readonly AptPlace[]): KvciError {
  const evidence = lastLines(
    complaints(all)
      .map((line) => canonicalText(line, places))
      .join("\n"),
    15,
  );
  const unsigned = complaints(all).find((line) => SIGNATURE.test(line));
  if (unsigned !== undefined) return badSignature(placeIn(unsigned, places), evidence);
  const other = complaints(all).find((line) => OTHER_BYTES.test(line));
  if (other !== undefined) return otherBytes(placeIn(other, places), evidence);
  return unreachable(failedUrl(all, places), evidence);
}

function failedUrl(all: string, places: readonly AptPlace[]): string {
  const [, url] = FAILED_URL.exec(all) ?? NO_INDEX.exec(all) ?? [];
  return url === undefined ? "the indexes of package repositories" : canonicalText(url, places);
}

/** The URLs of a text as the repositories name them, not as they were fetched. */
export function canonicalText(text: string, places: readonly AptPlace[]): string {
  return places.reduce(
    (result, { uri, fetchedFrom }) => result.replaceAll(fetchedFrom.replace(/\/$/, ""), uri.replace(/\/$/, "")),
    text,
  );
}

function placeIn(line: string, places: readonly AptPlace[]): string {
  const place = places.find(({ fetchedFrom }) => line.includes(fetchedFrom.replace(/\/$/, "")));
  return place ? `repository "${place.source.name}" (${place.uri})` : "a repository";
}

function complaints(all: string): readonly string[] {
  return all.split("\n").filter((line) => /^[EW]: /.test(line));
}

/** Packages that apt names when it cannot do what it was asked for. */
const MISSING = [
  /^E: Version '(?<version>[^']*)' for '(?<name>[^']+)' was not found/m,
  /^E: Unable to locate package (?<name>\S+)/m,
  /^E: Package '(?<name>[^']+)' has no installation candidate/m,
  /^E: Couldn't find any package by (?:glob|regex) '(?<name>[^']+)'/m,
];

/** The first package that is not there as it is wanted, when that is the problem. */
export function missingPackage({ all }: AptOutput): MissingPackage | undefined {
  const groups = MISSING.map((pattern) => pattern.exec(all)?.groups).find((each) => each !== undefined);
  const { name, version } = groups ?? {};
  return name === undefined ? undefined : { name, version };
}
