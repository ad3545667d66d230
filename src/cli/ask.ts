import { createInterface } from "node:readline/promises";
import type { App } from "./app.ts";

/**
 * Asks a person for one of some letters until one is given.
 *
 * @param question.otherwise the answer of an empty line, and of the end of the input.
 */
export async function ask<K extends string>(
  { stdin, stderr, signal }: Pick<App, "stdin" | "stderr" | "signal">,
  question: { readonly text: string; readonly answers: Readonly<Record<string, K>>; readonly otherwise: K },
): Promise<K> {
  // Lines, not keys: the terminal stays as it is, and Ctrl-C stays a signal.
  const lines = createInterface({ input: stdin, output: stderr, terminal: false });
  const closed = new AbortController();
  lines.once("close", () => {
    closed.abort();
  });
  try {
    for (;;) {
      const line = await lines
        .question(question.text, { signal: AbortSignal.any([signal, closed.signal]) })
        .catch(() => "");
      signal.throwIfAborted();
      const key = line.trim().toLowerCase();
      if (key === "") return question.otherwise;
      const answer = question.answers[key] ?? question.answers[key.slice(0, 1)];
      if (answer !== undefined) return answer;
    }
  } finally {
    lines.close();
    stdin.pause();
  }
}
