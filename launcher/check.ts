/** Runs all that can be said about the project without running it, two tools at a time: `npm run check`. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const cache = join(root, "node_modules/.cache/kvci-check");
const sources = ["src", "builders", "publishers", "verify", "templates", "environments", "launcher", "test"];
const folders = sources.filter((folder) => existsSync(join(root, folder)));
/** Above what the slowest takes from cold on two busy cores, below what anyone would wait for. */
const DEADLINE_MS = 10 * 60_000;

/** Entry point of each tool in its package, and its arguments; the slow ones first. */
const TOOLS: readonly (readonly [name: string, script: string, args: readonly string[]])[] = [
  ["eslint", "eslint/bin/eslint.js", ["--cache", "--cache-location", `${cache}/eslint`, "--max-warnings", "0", "."]],
  ["tsc", "typescript/bin/tsc", ["-p", ".", "--incremental", "--tsBuildInfoFile", `${cache}/tsc.tsbuildinfo`]],
  ["prettier", "prettier/bin/prettier.cjs", ["--check", "--cache", "--cache-location", `${cache}/prettier`, "."]],
  ["depcruise", "dependency-cruiser/bin/dependency-cruiser.mjs", ["--config", ".dependency-cruiser.js", ...folders]],
  ["knip", "knip/bin/knip.js", []],
];

interface Result {
  readonly name: string;
  readonly ok: boolean;
  readonly output: string;
  readonly seconds: string;
}

mkdirSync(cache, { recursive: true });
const waiting = [...TOOLS];
const results: Result[] = [];
await Promise.all([worker(), worker()]);
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1;

async function worker(): Promise<void> {
  for (let tool = waiting.shift(); tool; tool = waiting.shift()) {
    const result = await runTool(...tool);
    results.push(result);
    if (!result.ok) console.log(result.output.trimEnd());
    console.log(`${result.ok ? "ok" : "!!"}  ${result.name} (${result.seconds} s)`);
  }
}

async function runTool(name: string, script: string, args: readonly string[]): Promise<Result> {
  const startedMs = Date.now();
  const child = spawn(process.execPath, [join(root, "node_modules", script), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: DEADLINE_MS,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { name, ok: code === 0, output, seconds: ((Date.now() - startedMs) / 1000).toFixed(1) };
}
