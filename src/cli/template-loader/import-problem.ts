import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as index from "../../index.ts";
import { messageOf } from "../../core/error.ts";
import { didYouMean, nearestName } from "../../core/near-name.ts";
import { locateImport } from "./locate.ts";
import type { FailedImport } from "./resolve-hook.ts";
import { parseSource } from "./syntax-tree.ts";
import type { Problem } from "./problem.ts";

/** An import of a file or package that is not there. */
export async function importProblem({ importer, specifier }: FailedImport, error: unknown): Promise<Problem> {
  const tree = await parseSource(importer);
  const place = tree && locateImport(tree, specifier);
  if (!/^[./]/.test(specifier)) {
    const hint = 'A template imports from "kvci-build", from files beside it, and from packages installed above it.';
    return {
      message: `cannot import "${specifier}": ${messageOf(error).replace(/ imported from .*/s, "")}`,
      place,
      hint,
    };
  }
  const path = resolve(dirname(fileURLToPath(importer)), specifier);
  return {
    message: `no file "${specifier}" to import${await suggestion(path)}`,
    place,
    hint: "An import names the file with its extension, from the importing file's folder.",
  };
}

async function suggestion(path: string): Promise<string> {
  const extension = [".ts", ".js"].find((ending) => existsSync(path + ending));
  if (extension !== undefined) return `; did you mean "${basename(path)}${extension}"?`;
  const beside = await readdir(dirname(path)).catch(() => []);
  return didYouMean(basename(path), beside);
}

/** A name that a module does not have: mistyped, or a type, which exists for the editor only. */
export function missingExportHint(name: string): string {
  const nearest = nearestName(name, Object.keys(index));
  const mistyped = nearest === undefined ? "" : `Did you mean "${nearest}"? `;
  return `${mistyped}A type is imported with \`import type\`.`;
}
