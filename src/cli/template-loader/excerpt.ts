import { readFileSync } from "node:fs";
import { isAbsolute, relative } from "node:path";
import type { Place } from "./locate.ts";

/** Longer lines are cut: a template that somebody minified must not fill the screen. */
const MAX_WIDTH = 160;

/** `file:line:column` as editors open it; the file relative to `cwd` when it is below it. */
export function showPlace({ file, line, column }: Place, cwd: string): string {
  return `${showFile(file, cwd)}:${String(line)}:${String(column)}`;
}

export function showFile(file: string, cwd: string): string {
  const path = relative(cwd, file);
  return path === "" || path.startsWith("..") || isAbsolute(path) ? file : path;
}

/** The line, the one above it, and a row of carets below the place. Nothing when the file cannot be read. */
export function excerpt({ file, line, column, length }: Place): string[] {
  const lines = linesOf(file);
  const text = lines[line - 1];
  if (text === undefined) return [];
  const width = String(line).length;
  const above = lines[line - 2];
  const numbered = (number: number, content: string): string =>
    ` ${String(number).padStart(width)} | ${content.slice(0, MAX_WIDTH)}`;
  // Tabs stay tabs, so that the carets stand below what they mean.
  const indent = text.slice(0, Math.min(column - 1, MAX_WIDTH)).replace(/[^\t]/g, " ");
  const carets = "^".repeat(Math.max(1, Math.min(length, MAX_WIDTH - column)));
  const rows = [numbered(line, text), ` ${" ".repeat(width)} | ${indent}${carets}`];
  return above === undefined || above.trim() === "" ? rows : [numbered(line - 1, above), ...rows];
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split(/\r?\n/);
  } catch {
    return [];
  }
}
