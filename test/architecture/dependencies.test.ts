import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const FOLDERS = ["src", "builders", "publishers", "verify", "templates", "environments", "launcher", "test"];

/** Violations of the project's rules in the tree at `cwd`, as "rule: from → to". */
async function violations(cwd: string): Promise<readonly string[]> {
  const program = join(root, "node_modules/dependency-cruiser/bin/dependency-cruiser.mjs");
  const folders = FOLDERS.filter((folder) => existsSync(join(cwd, folder)));
  const args = [program, "--config", join(root, ".dependency-cruiser.js"), "--output-type", "json", ...folders];
  const output = await new Promise<string>((resolve, reject) => {
    // Its exit status is the number of violations; only an answer that is no JSON is a failure.
    execFile(process.execPath, args, { cwd, maxBuffer: 64 * 2 ** 20, timeout: 60_000 }, (error, stdout) =>
      stdout === "" ? reject(error ?? new TypeError("no output")) : resolve(stdout),
    );
  });
  const { summary } = JSON.parse(output) as {
    summary: { violations: readonly { rule: { name: string }; from: string; to: string }[] };
  };
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
}

describe("dependencies", () => {
  it("point in the direction that docs/architecture.md draws, without cycles", async function () {
    this.timeout(60_000);
    assert.deepEqual(await violations(root), []);
  });
});

describe("dependency rules", () => {
  let folder: string;
  let found: readonly string[];
  const plant = (path: string, ...imports: readonly string[]): void => {
    const full = join(folder, path);
    mkdirSync(join(full, ".."), { recursive: true });
    writeFileSync(full, [...imports.map((each) => `${each};`), "export type Planted = string;"].join("\n"));
  };

  before(async function () {
    this.timeout(60_000);
    folder = mkdtempSync(join(tmpdir(), "kvci-architecture-"));
    writeFileSync(join(folder, "tsconfig.json"), '{ "compilerOptions": { "module": "nodenext" } }');
    writeFileSync(join(folder, "package.json"), '{ "type": "module", "dependencies": { "ssh2": "1", "zod": "4" } }');
    for (const name of ["ssh2", "zod"]) {
      plant(`node_modules/${name}/index.js`);
      writeFileSync(join(folder, "node_modules", name, "package.json"), `{ "name": "${name}", "version": "1.0.0" }`);
    }
    plant("src/core/plan.ts", 'import type { Planted } from "../host/program.ts"', 'import "node:fs"', 'import "zod"');
    plant("src/host/program.ts", 'import "../cli/main.ts"');
    plant("src/cli/main.ts");
    plant("builders/qemu/builder.ts", 'import "../../verify/run.ts"');
    plant("verify/run.ts");
    plant("src/disk/a.ts", 'import type { Planted } from "./b.ts"');
    plant("src/disk/b.ts", 'import type { Planted } from "./a.ts"');
    plant("src/machine/ssh2-machine.ts", 'import "ssh2"');
    plant("src/machine/other.ts", 'import "ssh2"', 'import "./gone.ts"');
    found = await violations(folder);
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const violation of [
    "core-knows-nothing: src/core/plan.ts → src/host/program.ts",
    "core-is-pure: src/core/plan.ts → fs",
    "host-knows-core: src/host/program.ts → src/cli/main.ts",
    "nobody-knows-cli: src/host/program.ts → src/cli/main.ts",
    "builders-know-adapters: builders/qemu/builder.ts → verify/run.ts",
    "no-cycles: src/disk/a.ts → src/disk/b.ts",
    "one-file-knows-ssh2: node_modules/ssh2/index.js → node_modules/ssh2/index.js",
    "nothing-unresolved: src/machine/other.ts → ./gone.ts",
  ]) {
    it(`notice ${violation}`, () => assert.ok(found.includes(violation), found.join("\n")));
  }

  it("notice nothing else", () => assert.equal(found.length, 8, found.join("\n")));
});
