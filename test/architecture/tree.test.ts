import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const root = join(import.meta.dirname, "../..");
const FOLDERS = ["src", "builders", "publishers", "verify", "templates", "environments", "launcher", "test"];
/** More than that is two things in one file. */
const MOST_LINES = 300;
/** Folders that say nothing about what is in them collect everything. */
const NAMELESS = new Set(["utils", "util", "common", "helpers", "helper", "misc", "lib", "shared"]);
/** The folders that were asked for; siblings may come. */
const TOP_LEVEL = ["templates", "environments", "builders", "publishers", "verify", "src/core", "src/steps", "src/cli"];

const sources = globSync(`{${FOLDERS.join(",")}}/**/*.{ts,sh}`, { cwd: root });

describe("source tree", () => {
  it(`has no file of more than ${String(MOST_LINES)} lines`, () => {
    const long = [...sources, "kvci-build"].filter((file) => lines(file) > MOST_LINES);
    assert.deepEqual(long, []);
  });

  it("has no folder whose name says nothing", () => {
    const named = sources.filter((file) =>
      dirname(file)
        .split("/")
        .some((part) => NAMELESS.has(part)),
    );
    assert.deepEqual(named, []);
  });

  it("names files in kebab-case", () => {
    // A template may have the version of what it installs in its name.
    const odd = sources.filter((file) => !/^[a-z0-9]+(?:[-.][a-z0-9]+)*\.(?:test\.)?(?:ts|sh)$/.test(basename(file)));
    assert.deepEqual(odd, []);
  });

  it("has the folders of the design", () => {
    assert.deepEqual(
      TOP_LEVEL.filter((folder) => !existsSync(join(root, folder))),
      [],
    );
  });

  it("mirrors the tested tree in test/", () => {
    const tests = globSync("test/{src,builders,publishers,verify,templates}/**/*.test.ts", { cwd: root });
    const stray = tests.filter((file) => !existsSync(join(root, dirname(file).replace(/^test\//, ""))));
    assert.deepEqual(stray, []);
  });
});

function lines(file: string): number {
  return readFileSync(join(root, file), "utf8").split("\n").length - 1;
}
