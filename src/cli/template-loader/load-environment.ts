import { realpath } from "node:fs/promises";
import { defineEnvironment, type Environment, type EnvironmentInput } from "../../core/environment.ts";
import { loadDefault } from "./load-module.ts";

/**
 * Evaluates and checks an environment file.
 *
 * @param file absolute path, as `findEnvironment` gives it.
 * @throws {KvciError} `environment-invalid` with file, line and column of every mistake.
 */
export async function loadEnvironment(
  file: string,
  { cwd, deadlineMs }: { readonly cwd: string; readonly deadlineMs?: number },
): Promise<Environment> {
  const context = { kind: "environment", file: await realpath(file), cwd } as const;
  return loadDefault(context, (value) => defineEnvironment(value as EnvironmentInput), deadlineMs);
}
