import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SearchEnv } from "../host/find-program.ts";

/** What the process was given, read once: nothing below `src/cli` looks at the process for itself. */
export interface App {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly argv: readonly string[];
  /** Opened when it is first asked for. */
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly isRoot: boolean;
  /** Where downloads, bases and layers are kept: KVCI_BUILD_STORE, or a folder of the user's cache. */
  readonly storeRoot: string;
  readonly search: SearchEnv;
  /** Aborted by Ctrl-C, SIGTERM and SIGHUP; the reason is the error to end with. */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export function createApp(host: NodeJS.Process, signal: AbortSignal): App {
  const { env } = host;
  const cache = env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return {
    cwd: host.cwd(),
    env,
    argv: host.argv.slice(2),
    get stdin() {
      return host.stdin;
    },
    stdout: host.stdout,
    stderr: host.stderr,
    isRoot: host.getuid?.() === 0,
    storeRoot: env["KVCI_BUILD_STORE"] ?? join(cache, "kvci-build"),
    search: { path: env["PATH"] ?? "", toolsFolder: env["KVCI_BUILD_TOOLS"] ?? toolsFolder(cache) },
    signal,
    now: Date.now,
  };
}

/** The same app in another folder. A copy would open what is opened only when it is asked for, such as standard input. */
export function appIn(app: App, cwd: string): App {
  return Object.create(app, { cwd: { value: cwd, enumerable: true } }) as App;
}

/** A checkout keeps what was fetched for it to itself; an installed package, which may be read-only, uses the user's cache. */
function toolsFolder(cache: string): string {
  const checkout = import.meta.url.endsWith(".ts");
  return checkout
    ? fileURLToPath(new URL("../../.kvci/tools/bin", import.meta.url))
    : join(cache, "kvci-build", "tools");
}
