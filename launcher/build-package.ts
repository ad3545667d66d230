/**
 * Fills `dist/` for `npm pack`: Node does not strip types under node_modules, so the package holds JavaScript. Files that
 * are read at run time (keys of distributions, for example) are taken along beside the modules that read them.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { KvciError } from "../src/core/error.ts";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const FOLDERS = ["src", "builders", "publishers", "verify", "templates", "environments"];

rmSync(dist, { recursive: true, force: true });
compile();
for (const file of globSync(`{${FOLDERS.join(",")}}/**/*.*`, { cwd: root })) {
  if (!file.endsWith(".ts")) copy(file);
}
makeExecutable(join(dist, "src/cli/main.js"));

function compile(): void {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root });
  if (status === 0) return;
  throw new KvciError("internal", "the sources do not compile", {
    hint: "Run `npm run check`.",
    evidence: stdout.toString().trim().split("\n").slice(0, 20),
  });
}

function copy(file: string): void {
  mkdirSync(dirname(join(dist, file)), { recursive: true });
  cpSync(join(root, file), join(dist, file));
}

/** npm makes a bin executable when it installs; a shebang it does not write. */
function makeExecutable(file: string): void {
  if (!existsSync(file)) return;
  const text = readFileSync(file, "utf8");
  if (!text.startsWith("#!")) {
    writeFileSync(file, `#!/usr/bin/env -S node --disable-warning=ExperimentalWarning\n${text}`);
  }
  chmodSync(file, 0o755);
}
