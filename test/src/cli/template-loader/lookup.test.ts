import assert from "node:assert/strict";
import { join } from "node:path";
import {
  allTemplates,
  findEnvironment,
  findTemplate,
  findTemplates,
} from "../../../../src/cli/template-loader/lookup.ts";
import { templateFolders } from "./template-folder.ts";

const FILES = {
  "own.ts": "",
  "both.ts": "",
  "deep/inner.ts": "",
  "templates/project.ts": "",
  "library/k8s-1.31.ts": "",
  "library/both.ts": "",
  "library/compiled.js": "",
  "library/compiled.d.ts": "",
  "library/folder.ts/x": "",
  "environments/site.ts": "",
};

describe("template lookup", () => {
  const templateFolder = templateFolders();

  const found: readonly (readonly [string, string])[] = [
    ["own.ts", "own.ts"],
    ["own", "own.ts"],
    ["./own.ts", "own.ts"],
    ["deep/inner", "deep/inner.ts"],
    ["project", "templates/project.ts"],
    ["k8s-1.31.ts", "library/k8s-1.31.ts"],
    ["k8s-1.31", "library/k8s-1.31.ts"],
    ["both", "both.ts"],
    ["compiled", "library/compiled.js"],
    ["compiled.ts", "library/compiled.js"],
  ];
  for (const [name, expected] of found) {
    it(`finds ${name} as ${expected}`, async () => {
      const folder = await templateFolder(FILES);
      const path = await findTemplate(name, { cwd: folder.path, templatesDir: join(folder.path, "library") });
      assert.equal(path, join(folder.path, expected));
    });
  }

  it("finds an absolute path", async () => {
    const folder = await templateFolder(FILES);
    const file = join(folder.path, "deep/inner");
    assert.equal(await findTemplate(file, { cwd: "/", templatesDir: "/nowhere" }), `${file}.ts`);
  });

  it("names the nearest, what there is, and where it looked", async () => {
    const folder = await templateFolder(FILES);
    const templatesDir = join(folder.path, "library");
    await assert.rejects(findTemplate("k8s-1.13.ts", { cwd: folder.path, templatesDir }), {
      code: "template-not-found",
      message: 'no template "k8s-1.13.ts"; did you mean "k8s-1.31"?',
      hint: "There are: both, compiled, folder, k8s-1.31, project. A path to a file works as well.",
      evidence: [
        `looked in ${folder.path}`,
        `looked in ${join(folder.path, "templates")}`,
        `looked in ${templatesDir}`,
      ],
    });
  });

  it("does not take a folder for a file", async () => {
    const folder = await templateFolder(FILES);
    const search = { cwd: folder.path, templatesDir: join(folder.path, "library") };
    await assert.rejects(findTemplate("folder.ts", search), { code: "template-not-found" });
  });
});

describe("lookup of several templates", () => {
  const templateFolder = templateFolders();
  const SEVERAL = {
    ...FILES,
    "k8s[1].ts": "",
    "templates/k8s-1.9.ts": "",
    "templates/k8s-1.10.ts": "",
    "templates/k8s-1.10-slim.ts": "",
    "templates/kubernetes/node.ts": "",
    "templates/node_modules/k8s-x/k8s-1.1.ts": "",
    "library/k8s-1.32.ts": "",
  };
  const find = async (...names: readonly string[]): Promise<string[]> => {
    const { path } = await templateFolder(SEVERAL);
    const found = await findTemplates(names, { cwd: path, templatesDir: join(path, "library") });
    return found.map((file) => file.slice(path.length + 1));
  };
  const patterns: readonly (readonly [readonly string[], readonly string[]])[] = [
    [
      ["own", "k8s-1.31"],
      ["own.ts", "library/k8s-1.31.ts"],
    ],
    // The first place where something fits.
    [["k8s-1.*.ts"], ["templates/k8s-1.9.ts", "templates/k8s-1.10.ts", "templates/k8s-1.10-slim.ts"]],
    [["k8s-1.?"], ["templates/k8s-1.9.ts"]],
    [["k8s-1.3*"], ["library/k8s-1.31.ts", "library/k8s-1.32.ts"]],
    [["{project,own}"], ["own.ts"]],
    [["k8s[1]"], ["k8s[1].ts"]],
    [["**/k8s-1.1*"], ["templates/k8s-1.10.ts", "templates/k8s-1.10-slim.ts"]],
    [["comp*"], ["library/compiled.js"]],
    [["own", "./own.ts", "o*"], ["own.ts"]],
  ];
  for (const [names, expected] of patterns) {
    it(`finds ${names.join(" ")} as ${expected.join(" ")}`, async () => {
      assert.deepEqual(new Set(await find(...names)), new Set(expected));
      assert.equal((await find(...names)).length, expected.length);
    });
  }

  it("puts numbers in order", async () => {
    assert.deepEqual(await find("k8s-1.{9,10}"), ["templates/k8s-1.9.ts", "templates/k8s-1.10.ts"]);
  });

  it("finds a pattern with an absolute path", async () => {
    const { path } = await templateFolder(SEVERAL);
    const search = { cwd: "/", templatesDir: "/nowhere" };
    const names = [`${path.replace("kvci templates", "kvci?templates")}/library/k8s*`];
    assert.deepEqual(
      await findTemplates(names, search),
      ["k8s-1.31", "k8s-1.32"].map((name) => `${path}/library/${name}.ts`),
    );
  });

  it("fails for the first name that nothing fits, with near names", async () => {
    await assert.rejects(find("own", "k8s-1.4*", "gone"), {
      code: "template-not-found",
      message: /^no template "k8s-1\.4\*"; did you mean "k8s-1\.\d+"\?$/,
    });
  });

  it("finds all there are: those of the working directory, else those that come with kvci-build", async () => {
    const { path } = await templateFolder(SEVERAL);
    const names = async (cwd: string) =>
      (await allTemplates({ cwd, templatesDir: join(path, "library") })).map((file) => file.slice(path.length + 1));
    assert.deepEqual(
      await names(path),
      ["templates/k8s-1.9.ts", "templates/k8s-1.10.ts", "templates/k8s-1.10-slim.ts", "templates/project.ts"].sort(
        new Intl.Collator("en", { numeric: true }).compare,
      ),
    );
    assert.equal((await names(join(path, "deep")))[0], "library/both.ts");
    await assert.rejects(allTemplates({ cwd: "/nowhere", templatesDir: "/nowhere" }), { code: "template-not-found" });
  });
});

describe("environment lookup", () => {
  const templateFolder = templateFolders();

  it("looks in environments/ the same way", async () => {
    const folder = await templateFolder(FILES);
    const search = { cwd: folder.path, environmentsDir: join(folder.path, "nowhere") };
    assert.equal(await findEnvironment("site", search), join(folder.path, "environments/site.ts"));
    await assert.rejects(findEnvironment("sites", search), {
      code: "environment-invalid",
      message: 'no environment "sites"; did you mean "site"?',
    });
  });
});
