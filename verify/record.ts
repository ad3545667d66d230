import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Digest } from "../src/core/digest.ts";
import { KvciError } from "../src/core/error.ts";
import type { VerificationResult } from "../src/core/finding.ts";
import { checkInput } from "../src/core/input.ts";
import { writeFileAtomic } from "../src/store/atomic.ts";
import { digestSchema } from "../src/core/record-schemas.ts";

const findingSchema = z.strictObject({
  check: z.string().min(1),
  ok: z.boolean(),
  detail: z.string(),
  evidence: z.array(z.string()),
  durationMs: z.number().min(0),
});

const resultSchema = z
  .strictObject({
    formatVersion: z.literal(1),
    digest: digestSchema,
    suite: z.string().min(1),
    place: z.string().min(1),
    ok: z.boolean(),
    startedAt: z.iso.datetime(),
    durationMs: z.number().min(0),
    findings: z.array(findingSchema).min(1),
  })
  .refine((result) => result.ok === result.findings.every(({ ok }) => ok), {
    error: "ok contradicts the findings",
    path: ["ok"],
  });

/** The file's name beside the build. */
function recordName(result: Pick<VerificationResult, "suite" | "place">): string {
  return `verification-${result.suite}-${result.place}.json`;
}

/**
 * Writes `verification-<suite>-<place>.json` beside the build, replacing an earlier one; it is there completely or not at all.
 *
 * @returns the file's path.
 */
export async function recordVerification(buildDir: string, result: VerificationResult): Promise<string> {
  const path = join(buildDir, recordName(result));
  await writeFileAtomic(
    path,
    `${JSON.stringify(result, null, 2)}
`,
  );
  return path;
}

/**
 * What is recorded beside a build for exactly these bytes; results of an earlier build in the same folder do not count.
 *
 * @throws {InputError} `build-invalid` for a record that is damaged or contradicts itself.
 */
export async function readVerification(buildDir: string, digest: Digest): Promise<VerificationResult[]> {
  const names = (await readdir(buildDir)).filter((name) => /^verification-.+\.json$/.test(name)).sort();
  const results = await Promise.all(names.map((name) => readRecord(join(buildDir, name))));
  return results.filter((result) => result.digest === digest);
}

async function readRecord(path: string): Promise<VerificationResult> {
  const hint = "Remove the file and run `kvci-build verify` again.";
  return checkInput(resultSchema, parseJson(await readFile(path, "utf8"), path, hint), {
    code: "build-invalid",
    what: path,
    hint,
  });
}

function parseJson(text: string, path: string, hint: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KvciError("build-invalid", `${path} is not JSON`, { hint, cause });
  }
}
