import { readFileSync } from "node:fs";
import { z } from "zod";

/** Version of kvci-build: that of the nearest package.json above (a checkout's, or the installed package's). */
export function version(): string {
  for (const up of ["../../package.json", "../../../package.json"]) {
    const text = readIfThere(new URL(up, import.meta.url));
    if (text !== undefined) return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
  }
  return "unknown";
}

function readIfThere(url: URL): string | undefined {
  try {
    return readFileSync(url, "utf8");
  } catch {
    return undefined;
  }
}
