import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { matrix, type MatrixFlags } from "../../src/cli/commands/matrix.ts";
import { writeImage } from "../../src/oci/image.ts";
import { imageLabels } from "../../src/oci/labels.ts";
import type { Digest } from "../../src/core/digest.ts";
import { sha256 } from "../../src/core/digest.ts";
import { capturedApp, type CapturedApp } from "../src/cli/commands/captured-app.ts";
import { templateFolders } from "../src/cli/template-loader/template-folder.ts";

interface Row {
  readonly template: string;
  readonly arch: string;
  readonly file: string;
  readonly planId?: Digest;
  readonly changed?: boolean;
  readonly reason?: string;
  readonly error?: { readonly code: string };
}

function template(name: string, steps: string, more = 'arches: ["amd64", "arm64"]'): string {
  return `import { copyIn, defineStep, defineTemplate, fetchIn, localDisk, run, writeFile } from "kvci-build";
import { greeting } from "./data/greeting.ts";
export default defineTemplate({
  name: "${name}",
  base: localDisk("../disk.raw", { distribution: "debian", release: "12" }),
  ${more},
  steps: [defineStep("os", [run("true")]), ${steps}],
});
`;
}

const FILES = {
  "disk.raw": "a disk",
  "templates/data/greeting.ts": 'export const greeting = "hello";\n',
  "templates/red.ts": template("red", 'defineStep("motd", [writeFile("/etc/motd", greeting)])'),
  "templates/blue.ts": template("blue", 'defineStep("blue", [run("echo", "blue")])', 'arches: ["amd64"]'),
  "templates/old.ts": template("old", "", 'arches: ["amd64"]'),
};

describe("kvci-build matrix", () => {
  const templateFolder = templateFolders();
  let folder: string;
  let app: CapturedApp;

  const git = (...args: readonly string[]): void => {
    const who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
    execFileSync("git", ["-C", folder, ...who, ...args], { stdio: "pipe" });
  };
  const run = async (flags: Partial<MatrixFlags> = {}, names: readonly string[] = []) => {
    app = { ...capturedApp(join(folder, "store"), 0), cwd: folder };
    const exit = await matrix(app, names, { arch: undefined, env: "local", ...flags });
    return { exit, text: app.out() };
  };
  const rows = async (flags: Partial<MatrixFlags> = {}, names: readonly string[] = []): Promise<Row[]> => {
    const { text } = await run({ ...flags, json: true }, names);
    assert.equal(text.trimEnd().includes("\n"), false, "more than one line");
    const value = JSON.parse(text) as { include: Row[] };
    assert.deepEqual(Object.keys(value), ["include"]);
    return value.include;
  };
  const told = (all: readonly Row[]) => all.map(({ template: name, arch, changed }) => [name, arch, changed]);

  beforeEach(async () => {
    folder = (await templateFolder({ ...FILES, ".gitignore": "store/\nout/\n" })).path;
    git("init", "--quiet", "--initial-branch=main");
    git("add", ".");
    git("commit", "--quiet", "-m", "first");
  });

  it("lists every template on every architecture it has, with its plan and file", async () => {
    const all = await rows();
    assert.deepEqual(
      all.map(({ template: name, arch, file }) => [name, arch, file]),
      [
        ["blue", "amd64", "templates/blue.ts"],
        ["old", "amd64", "templates/old.ts"],
        ["red", "amd64", "templates/red.ts"],
        ["red", "arm64", "templates/red.ts"],
      ],
    );
    assert.ok(all.every(({ planId, changed }) => planId?.startsWith("sha256:") && changed === undefined));
    assert.deepEqual(told(await rows({ arch: ["arm64"] }, ["red"])), [["red", "arm64", undefined]]);
  });

  it("since a revision finds nothing changed where nothing did, and touches nothing of the repository", async () => {
    const before = await readFile(join(folder, ".git/index"));
    assert.ok(
      (await rows({ since: "HEAD" })).every(({ changed, reason }) => changed === false && reason === undefined),
    );
    assert.deepEqual(await readFile(join(folder, ".git/index")), before);
    assert.equal((await run({ since: "HEAD", exitCode: true })).exit, 0);
  });

  it("says what changed since a revision, also by what a template imports, and what is new and gone", async () => {
    await writeFile(join(folder, "templates/data/greeting.ts"), 'export const greeting = "welcome";\n');
    await writeFile(join(folder, "templates/green.ts"), template("green", "", 'arches: ["amd64"]'));
    await rm(join(folder, "templates/old.ts"));
    const all = await rows({ since: "HEAD" });
    assert.deepEqual(told(all), [
      ["blue", "amd64", false],
      ["green", "amd64", true],
      ["red", "amd64", true],
      ["red", "arm64", true],
    ]);
    assert.equal(all[1]?.reason, "the template is new");
    assert.match(all[2]?.reason ?? "", /^motd: op 1 \(write \/etc\/motd\), content: .*hello.*welcome/);
    assert.deepEqual(
      told(await rows({ since: "HEAD", changed: true })).map(([name]) => name),
      ["green", "red", "red"],
    );
    const { exit, text } = await run({ since: "HEAD", exitCode: true });
    assert.equal(exit, 2);
    assert.match(text, /^gone: old\.ts$/m);
    assert.match(text, /4 builds, 3 changed/);
  });

  it("names steps that are new, moved to the base, or removed", async () => {
    await writeFile(join(folder, "templates/red.ts"), template("red", 'defineStep("other", [run("date")])'));
    await writeFile(join(folder, "disk.raw"), "another disk");
    const [, , red] = await rows({ since: "HEAD" });
    assert.match(red?.reason ?? "", /the base changed: [0-9a-f]{12} → [0-9a-f]{12}; other: the step is new/);
    assert.match(red?.reason ?? "", /step motd was removed$/);
  });

  it("compares from a folder below, and with a template that could not be planned then", async () => {
    await writeFile(join(folder, "templates/red.ts"), "export default 7;\n");
    git("commit", "--quiet", "-am", "broken");
    await writeFile(join(folder, "templates/red.ts"), FILES["templates/red.ts"]);
    const root = folder;
    folder = join(root, "templates");
    const [red] = await rows({ since: "HEAD" }, ["red"]);
    assert.match(
      red?.reason ?? "",
      /^no plan at [0-9a-f]{12} to compare with: red\.ts:1:16: the default export is a number/,
    );
  });

  it("tells of what cannot be planned beside the others, and ends with its status", async () => {
    const fetched = 'defineStep("file", [fetchIn("https://files.example/x", "/x")])';
    await writeFile(join(folder, "templates/red.ts"), template("red", fetched, 'arches: ["amd64"]'));
    const all = await rows();
    assert.deepEqual(
      all.map(({ error }) => error?.code),
      [undefined, undefined, "lock-missing"],
    );
    const { exit, text } = await run();
    assert.equal(exit, 3);
    assert.match(text, /1 cannot be planned\nWhat to do: Run `kvci-build lock red`/);
  });

  it("refuses a revision that there is not, and a folder outside of git", async () => {
    await assert.rejects(run({ since: "gone" }), { code: "usage", message: 'there is no git revision "gone"' });
    await assert.rejects(run({ since: "--all" }), { code: "usage" });
    await assert.rejects(run({ since: "HEAD", published: ["out"] }), { code: "usage" });
    await rm(join(folder, ".git"), { recursive: true });
    await assert.rejects(run({ since: "HEAD" }), { code: "usage", message: /is in no git repository$/ });
  });

  it("compares with an earlier list of its own", async () => {
    const { text } = await run({ json: true });
    await writeFile(join(folder, "list.json"), text);
    assert.ok((await rows({ published: ["list.json"] })).every(({ changed }) => changed === false));
    const [now] = await rows();
    await writeFile(join(folder, "list.json"), text.replace(String(now?.planId), sha256("another")));
    const [blue] = await rows({ published: ["list.json"] });
    assert.match(blue?.reason ?? "", /^plan [0-9a-f]{12} → [0-9a-f]{12}$/);
  });

  it("compares with the labels of an OCI layout", async () => {
    const [blue] = await rows({}, ["blue"]);
    assert.ok(blue?.planId);
    const layout = join(folder, "image");
    await mkdir(layout);
    const identity = {
      template: "blue",
      planId: blue.planId,
      baseDigest: sha256("a disk"),
      baseName: "debian-12-amd64",
      virtualBytes: 1,
      createdBy: "kvci-build 0.1.0",
    };
    const platform = { os: "linux", arch: "amd64" } as const;
    const { labels, annotations } = imageLabels(identity);
    await writeImage(layout, { platform, layers: [], ref: "blue", config: { labels }, annotations }, {});
    assert.deepEqual(told(await rows({ published: ["image"] })), [
      ["blue", "amd64", false],
      ["old", "amd64", true],
      ["red", "amd64", true],
      ["red", "arm64", true],
    ]);
    assert.equal((await rows({ published: ["image"] }))[1]?.reason, "not published");
  });

  it("refuses a place that says nothing of what is published", async () => {
    for (const place of ["templates", "disk.raw", "nowhere"]) {
      await assert.rejects(run({ published: [place] }), {
        code: "usage",
        message: new RegExp(`^${place} does not say`),
      });
    }
    assert.equal(await realpath(folder), folder);
  });
});
