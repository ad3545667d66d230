import assert from "node:assert/strict";
import { join } from "node:path";
import { findEnvironment, findTemplate } from "../../../../src/cli/template-loader/lookup.ts";
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
