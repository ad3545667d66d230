import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
/** Milliseconds for npm, which fetches from its cache when it can. */
const NPM_TIMEOUT_MS = 300_000;

/** Runs a program to its end and gives its standard output; its words when it fails. */
async function output(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, timeout: NPM_TIMEOUT_MS, maxBuffer: 64 * 2 ** 20 };
    execFile(program, args, options, (error, stdout, stderr) =>
      error
        ? reject(new TypeError(`${program} ${args.join(" ")}: ${error.message}\n${stdout}${stderr}`))
        : resolve(stdout),
    );
  });
}

describe("npm package", function () {
  this.timeout(2 * NPM_TIMEOUT_MS);
  let folder: string;
  const bin = (): string => join(folder, "node_modules/.bin/kvci-build");

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "kvci-package-"));
    await output(root, "npm", "pack", "--silent", "--pack-destination", folder);
    const [tarball = ""] = readdirSync(folder);
    writeFileSync(join(folder, "package.json"), '{ "private": true }');
    const quiet = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
    await output(folder, "npm", "install", "--silent", ...quiet, `./${tarball}`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("holds JavaScript with its types, and no TypeScript source or test", async () => {
    const installed = join(folder, "node_modules/kvci-build");
    const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      files.filter((file) => /(?<!\.d)\.ts$|^dist\/test/.test(file)),
      [],
    );
    for (const file of ["LICENSE", "README.md", "dist/src/index.d.ts", "dist/templates/quickstart.js"]) {
      assert.ok(files.includes(file), file);
    }
  });

  it("answers --help in an empty folder", async () => {
    assert.match(await output(folder, bin(), "--help"), /kvci-build/);
  });

  it("plans a template that it brings along", async () => {
    assert.match(await output(folder, bin(), "template", "quickstart", "--plan"), /sha256:|quickstart/);
  });

  it("plans a template of one's own that imports it by name", async () => {
    mkdirSync(join(folder, "mine"));
    writeFileSync(
      join(folder, "mine/own.ts"),
      'import { defineTemplate, packages } from "kvci-build";\n' +
        'export default defineTemplate({ name: "own", base: packages({ distribution: "debian", release: "12" }) });\n',
    );
    assert.match(await output(folder, bin(), "template", "mine/own.ts", "--plan"), /own/);
  });
});
