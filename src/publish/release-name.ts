import { KvciError } from "../core/error.ts";
import { didYouMean } from "../core/near-name.ts";
import type { ReleaseBuild } from "./publisher.ts";

/** What names in a target may hold, in braces. */
const FIELDS = ["template", "version", "arch", "date"] as const;

/**
 * Fills in a name of a target: `{template}-{version}-{arch}`. Dates are the version's first eight digits where it begins with
 * some, so that a name is the same however often a release is published.
 *
 * @throws {KvciError} `environment-invalid` for an unknown field.
 */
export function releaseName(
  pattern: string,
  { template, version, arch }: Pick<ReleaseBuild, "template" | "version" | "arch">,
): string {
  const date = /^\d{8}/.exec(version)?.[0] ?? version;
  const values: Readonly<Record<string, string>> = { template, version, arch, date };
  return pattern.replace(/\{([^{}]*)\}/g, (_, field: string) => {
    const value = values[field];
    if (value !== undefined) return value;
    throw new KvciError("environment-invalid", `the name "${pattern}" has an unknown field {${field}}`, {
      hint: `Known are ${FIELDS.map((each) => `{${each}}`).join(", ")}${didYouMean(field, FIELDS)}.`,
    });
  });
}

/** The version of a release that nobody named: when the build began, and its plan. The same build has the same one. */
export function defaultVersion({ startedAt, planId }: { readonly startedAt: string; readonly planId: string }): string {
  const date = startedAt.slice(0, 10).replaceAll("-", "");
  return `${date}-${planId.replace(/^sha256:/, "").slice(0, 8)}`;
}
