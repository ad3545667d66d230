import type { Run } from "../core/op.ts";
import { run } from "../core/op-makers.ts";

/** A text file's content: the lines, each with its newline. */
export function lines(...text: readonly string[]): string {
  return text.map((line) => `${line}\n`).join("");
}

/** A shell op of several lines: it ends at the first command that fails. */
export function shell(...text: readonly string[]): Run {
  return run("sh", "-ec", text.join("\n"));
}
