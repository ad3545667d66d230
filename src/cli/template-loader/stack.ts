import { pathToFileURL } from "node:url";
/** Where a stack says that something happened in a template source. */
export interface Frame {
  /** File URL. */
  readonly url: string;
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** The frames of an error's stack that are in one of `sources` (file URLs), innermost first. */
export function framesOf(error: unknown, sources: readonly string[]): Frame[] {
  if (!(error instanceof Error)) return [];
  const lines = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return lines.flatMap((line) => {
    const match = /(?:\(|at |async )(file:\/\/[^\s()]+|\/[^()]+):(\d+):(\d+)\)?$/.exec(line);
    const url = match?.[1] === undefined ? "" : urlOf(match[1]);
    return sources.includes(url) ? [{ url, line: Number(match?.[2]), column: Number(match?.[3]) }] : [];
  });
}

/**
 * Where Node says that a module's syntax is wrong: such errors carry `file:line`, the line, and carets below it in front
 * of their stack.
 */
export function syntaxFrame(error: SyntaxError): (Frame & { readonly length: number }) | undefined {
  const [first = "", ...rest] = (error.stack ?? "").split("\n");
  const [, location, line] = /^(file:\/\/.+|\/.+):(\d+)$/.exec(first) ?? [];
  const [, indent, carets] = rest.map((text) => /^(\s*)(\^+)\s*$/.exec(text)).find((found) => found !== null) ?? [];
  if (location === undefined || indent === undefined || carets === undefined) return undefined;
  return { url: urlOf(location), line: Number(line), column: indent.length + 1, length: carets.length };
}

function urlOf(location: string): string {
  return location.startsWith("file:") ? location : pathToFileURL(location).href;
}
