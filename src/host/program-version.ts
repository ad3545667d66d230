import type { HostProgram } from "./programs.ts";

/** The version in what a program prints about itself; undefined when it cannot be told. */
export function parseVersion(output: string, { pattern }: NonNullable<HostProgram["version"]>): string | undefined {
  return pattern.exec(output)?.[1];
}

/** Whether the dotted version is `least` or newer, compared number by number. */
export function isAtLeast(version: string, least: string): boolean {
  const have = version.split(".").map(Number);
  const want = least.split(".").map(Number);
  for (let index = 0; index < Math.max(have.length, want.length); index += 1) {
    const difference = (have[index] ?? 0) - (want[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
