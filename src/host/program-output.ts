import { runProgram, type ProgramOptions } from "./program.ts";

/** What a program says about itself, on both streams: mke2fs prints its version on standard error. */
export async function programOutput(
  argv: readonly [string, ...string[]],
  options: Omit<ProgramOptions, "onOutput">,
): Promise<string> {
  let text = "";
  await runProgram(argv, { ...options, onOutput: (_stream, chunk) => (text += chunk) });
  return text;
}
