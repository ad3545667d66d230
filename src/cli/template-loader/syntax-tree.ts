import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import { parse, type AnyNode, type Position } from "acorn";

export interface SyntaxTree {
  /** Absolute path. */
  readonly file: string;
  readonly root: AnyNode;
}

/** The tree of a template source, or nothing when it does not parse. Positions are those of the file as written. */
export async function parseSource(url: string): Promise<SyntaxTree | undefined> {
  try {
    return await parsed(fileURLToPath(url));
  } catch {
    return undefined; // The caller has an error in hand that says more.
  }
}

/** Where the first of `urls` that does not parse goes wrong, for the errors to which Node adds no place. */
export async function syntaxErrorIn(
  urls: readonly string[],
): Promise<{ url: string; line: number; column: number } | undefined> {
  for (const url of urls) {
    try {
      await parsed(fileURLToPath(url));
    } catch (error) {
      // acorn's errors carry the position that its types do not tell of.
      const loc = error instanceof SyntaxError && "loc" in error ? (error.loc as Position) : undefined;
      if (loc) return { url, line: loc.line, column: loc.column + 1 };
    }
  }
  return undefined;
}

async function parsed(file: string): Promise<SyntaxTree> {
  const text = await readFile(file, "utf8");
  const code = /\.m?ts$/.test(file) ? withoutTypes(text) : text;
  return { file, root: parse(code, { ecmaVersion: "latest", sourceType: "module", locations: true }) };
}

/** Types become blanks, so that every position stays. */
function withoutTypes(text: string): string {
  const { emitWarning } = process;
  // Node warns once that the function is experimental: nothing that a person with an error in a template can act on.
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(text);
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Every node below `node` and itself, in source order. */
export function* nodesOf(node: AnyNode): Generator<AnyNode> {
  yield node;
  for (const value of Object.values(node) as unknown[]) {
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) yield* nodesOf(child);
  }
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
