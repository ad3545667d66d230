import { isDeepStrictEqual } from "node:util";
import { KvciError } from "../core/error.ts";
import { jsonOf } from "../core/parse-json.ts";
import { checkRelease, checkReleases, type KubernetesRelease } from "../steps/kubernetes/kubernetes-release.ts";
import type { ReleaseChange, Releases } from "./bump-releases.ts";

/** @throws {KvciError} `template-invalid` */
export function parseReleases(text: string): Releases {
  return checkReleases(jsonOf(text));
}

/**
 * The text of the table with these entries changed, in the form it has: one line per minor, new ones last. Everything else stays
 * as it is, to the byte.
 *
 * @throws {KvciError} `template-invalid` when the table has another form, and when parts of an entry do not exist together.
 */
export function rewriteReleases(text: string, changes: readonly ReleaseChange[], path: string): string {
  const rewritten = changes.reduce(withChange, text.split("\n")).join("\n");
  const wanted = { ...parseReleases(text), ...Object.fromEntries(changes.map(({ minor, to }) => [minor, to])) };
  if (!isDeepStrictEqual(jsonOf(rewritten), wanted)) throw otherForm(path);
  for (const { minor } of changes) checkRelease(minor, wanted);
  return rewritten;
}

function withChange(lines: readonly string[], { minor, from, to }: ReleaseChange): string[] {
  if (from) return lines.map((line) => (minorOf(line) === minor ? withValues(line, to) : line));
  const last = lines.findLastIndex((line) => minorOf(line) !== undefined);
  const before = lines[last] ?? "";
  const own = withValues(before.replace(`"${minorOf(before) ?? ""}"`, `"${minor}"`), to).replace(/,\s*$/, "");
  const comma = /,\s*$/.test(before) ? before : `${before},`;
  return [...lines.slice(0, last), comma, own, ...lines.slice(last + 1)];
}

function minorOf(line: string): string | undefined {
  return /^\s*"(\d+\.\d+)"\s*:/.exec(line)?.[1];
}

function withValues(line: string, release: KubernetesRelease): string {
  return Object.entries(release).reduce(
    (text, [name, value]) =>
      text.replace(
        new RegExp(`("${name}"\\s*:\\s*")[^"]*(")`),
        (_, open, close) => `${String(open)}${value}${String(close)}`,
      ),
    line,
  );
}

function otherForm(path: string): KvciError {
  return new KvciError("template-invalid", `${path} is not one line per minor, each an object of texts`, {
    hint: "Bring it into the form of the file that comes with kvci-build, or edit it by hand.",
  });
}
