import { z } from "zod";
import type { KvciError } from "../../core/error.ts";
import { lastLines } from "../../host/last-lines.ts";
import { badSignature, notOffered, otherBytes, unreachable, unsolvable } from "./unresolvable.ts";

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  arch: z.string(),
  /** Null for a repository with other sums. */
  sha256: z.string().nullable(),
  bytes: z.number(),
  repository: z.string(),
  /** Below the repository's place, or below `base` where the index names another. */
  location: z.string(),
  base: z.string().nullable(),
});

const answerSchema = z.union([
  z.object({ packages: z.array(packageSchema) }),
  z.object({ files: z.array(z.object({ repository: z.string(), location: z.string() })) }),
  z.object({ error: z.literal("missing"), name: z.string(), spec: z.string(), versions: z.array(z.string()) }),
  z.object({ error: z.literal("unsolvable"), detail: z.string() }),
  z.object({ error: z.enum(["signature", "digest", "download"]), repository: z.string(), detail: z.string() }),
]);

export type DnfPackage = z.output<typeof packageSchema>;
type DnfAnswer = z.output<typeof answerSchema>;

/** A repository as the solver asks for it. */
export interface DnfPlace {
  readonly name: string;
  /** Both end with a slash. */
  readonly baseUrl: string;
  readonly fetchedFrom: string;
  readonly signedIndex: boolean;
  /** Files of the keys that its index may be signed by. */
  readonly keyFiles: readonly string[];
}

/** What solve.py found out. @throws {KvciError} what it says that is wrong. */
export function readAnswer(
  output: string,
  { set, places }: { readonly set: string; readonly places: readonly DnfPlace[] },
): Exclude<DnfAnswer, { error: string }> {
  const answer = answerSchema.parse(JSON.parse(output));
  if (!("error" in answer)) return answer;
  if (answer.error === "missing") {
    const version = answer.spec === answer.name ? undefined : answer.spec.slice(answer.name.length + 1);
    throw notOffered({ name: answer.name, version }, { offered: answer.versions, set });
  }
  if (answer.error === "unsolvable") throw unsolvable(set, answer.detail);
  throw repositoryError(answer, places);
}

function repositoryError(
  { error, repository, detail }: { readonly error: string; readonly repository: string; readonly detail: string },
  places: readonly DnfPlace[],
): KvciError {
  const { baseUrl = "", fetchedFrom = "" } = places.find(({ name }) => name === repository) ?? {};
  const named = `repository "${repository}" (${baseUrl})`;
  const evidence = lastLines(fetchedFrom === "" ? detail : detail.replaceAll(fetchedFrom, baseUrl), 15);
  if (error === "signature") return badSignature(named, evidence);
  if (error === "digest") return otherBytes(named, evidence);
  return unreachable(`${baseUrl}repodata/repomd.xml`, evidence);
}
