import assert from "node:assert/strict";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { chainOf, explainPlanError, loadTemplate } from "../../../../src/cli/template-loader/load.ts";
import { loadEnvironment } from "../../../../src/cli/template-loader/load-environment.ts";
import { TEMPLATES_DIR } from "../../../../src/cli/template-loader/own-files.ts";
import { sha256 } from "../../../../src/core/digest.ts";
import { EMPTY_LOCK } from "../../../../src/core/lock.ts";
import { run } from "../../../../src/core/op-makers.ts";
import { makePlan } from "../../../../src/core/plan.ts";
import { defineStep } from "../../../../src/core/step.ts";
import { defineTemplate } from "../../../../src/core/template.ts";
import { DEBIAN, templateFolders, templateSaying } from "./template-folder.ts";

describe("template loading", () => {
  const templateFolder = templateFolders();

  it("gives the template, its folder and the files it copies", async () => {
    const step = 'defineStep("copy", [copyIn("files/a", "/a"), copyIn("tree", "/b"), copyIn("./files/a", "/c")])';
    const folder = await templateFolder({
      "t.ts": templateSaying(`${DEBIAN}, steps: [${step}],`),
      "files/a": "abc",
      "tree/x": "12",
    });
    const loaded = await loadTemplate(join(folder.path, "t.ts"), { cwd: folder.path });
    assert.deepEqual([loaded.template.name, loaded.dir, loaded.parent], ["t", folder.path, undefined]);
    assert.deepEqual([...loaded.sources.keys()], ["files/a", "tree", "./files/a"]);
    assert.deepEqual(loaded.sources.get("files/a")?.digest, sha256("abc"));
    assert.equal(loaded.sources.get("tree")?.bytes, 2);
  });

  it("reads the files of every architecture", async () => {
    const step = "defineStep('copy', (platform) => [copyIn(platform.arch, '/a')])";
    const folder = await templateFolder({
      "t.ts": templateSaying(`${DEBIAN}, arches: ["amd64", "arm64"], steps: [${step}],`),
      amd64: "1",
      arm64: "2",
    });
    const { sources } = await loadTemplate(join(folder.path, "t.ts"), { cwd: folder.path });
    assert.deepEqual([...sources.keys()], ["amd64", "arm64"]);
  });

  it("takes families, plain objects, JavaScript, and whatever package.json is around", async () => {
    const folder = await templateFolder({
      "package.json": '{ "type": "commonjs" }',
      "family.ts": `import { defineTemplate, packages, type Template } from "kvci-build";
        export const k8s = (version: string): Template => defineTemplate({ name: \`k8s-\${version}\`, ${DEBIAN} });`,
      "k8s-1.31.ts": 'import { k8s } from "./family.ts"; export default k8s("1.31" satisfies string);',
      "plain.ts":
        'export default { name: "plain", base: { kind: "packages", distribution: "debian", release: "12" } };',
      "script.mjs": templateSaying(`${DEBIAN},`, "script"),
    });
    const names = ["k8s-1.31.ts", "plain.ts", "script.mjs"].map(async (name) => {
      const { template } = await loadTemplate(join(folder.path, name), { cwd: folder.path });
      return template.name;
    });
    assert.deepEqual(await Promise.all(names), ["k8s-1.31", "plain", "script"]);
  });

  it("gives templates the very functions of this process", async () => {
    const folder = await templateFolder({
      "t.ts": `${templateSaying(`${DEBIAN},`)} (globalThis as { seen?: unknown }).seen = defineTemplate;`,
    });
    await loadTemplate(join(folder.path, "t.ts"), { cwd: folder.path });
    assert.equal((globalThis as { seen?: unknown }).seen, defineTemplate);
    Reflect.deleteProperty(globalThis, "seen");
  });

  it("follows a chain of templates, and the last base decides about the platform", async () => {
    const step = "defineStep('copy', (platform) => [copyIn(platform.family, '/a')])";
    const folder = await templateFolder({
      "a.ts": templateSaying(`base: fromTemplate("b"), steps: [${step}],`, "a"),
      "b.ts": templateSaying('base: fromTemplate("sub/c.ts"),', "b"),
      "sub/c.ts": templateSaying('base: localDisk("disk.img", { distribution: "fedora", release: "43" }),', "c"),
      "sub/disk.img": "disk",
      dnf: "1",
    });
    const loaded = await loadTemplate(join(folder.path, "a.ts"), { cwd: "/", templatesDir: "/nowhere" });
    assert.deepEqual(
      chainOf(loaded).map(({ template }) => template.name),
      ["a", "b", "c"],
    );
    assert.deepEqual([...loaded.sources.keys()], ["dnf"]);
    assert.equal(loaded.parent?.parent?.sources.get("disk.img")?.digest, sha256("disk"));
  });

  it("knows a cycle through a symbolic link", async () => {
    const folder = await templateFolder({ "a.ts": templateSaying('base: fromTemplate("b"),') });
    await symlink("a.ts", join(folder.path, "b.ts"));
    await assert.rejects(loadTemplate(join(folder.path, "a.ts"), { cwd: folder.path }), {
      message: "a.ts:6:9: base: templates are based on each other: a.ts -> a.ts",
    });
  });

  it("stops reading files when it is told to", async () => {
    const folder = await templateFolder({
      "t.ts": templateSaying(`${DEBIAN}, steps: [defineStep("copy", [copyIn("t.ts", "/a")])],`),
    });
    const options = { cwd: folder.path, signal: AbortSignal.abort() };
    await assert.rejects(loadTemplate(join(folder.path, "t.ts"), options), { code: "interrupted" });
  });

  it("has templates of its own to look into", () => {
    assert.match(TEMPLATES_DIR, /\/templates$/);
  });
});

describe("errors of planning", () => {
  const templateFolder = templateFolders();

  it("are shown in the template they come from", async () => {
    const folder = await templateFolder({ "t.ts": templateSaying(`${DEBIAN}, arches: ["arm64"],`) });
    const loaded = await loadTemplate(join(folder.path, "t.ts"), { cwd: folder.path });
    const { template, sources: files } = loaded;
    const seal = defineStep("seal", [run("sync")]);
    const plan = () => makePlan({ template, arch: "amd64", lock: EMPTY_LOCK, files, seal });
    const error = await Promise.resolve()
      .then(plan)
      .catch((thrown: unknown) => explainPlanError(thrown, loaded, folder.path));
    assert.ok(error instanceof Error);
    assert.equal(error.message, 't.ts:6:70: arches: "amd64" is not among arm64');
  });

  it("come back as they are when they are not about the template", async () => {
    const folder = await templateFolder({ "t.ts": templateSaying(`${DEBIAN},`) });
    const loaded = await loadTemplate(join(folder.path, "t.ts"), { cwd: folder.path });
    const error = new Error("else");
    assert.equal(await explainPlanError(error, loaded, folder.path), error);
  });
});

describe("environment loading", () => {
  const templateFolder = templateFolders();

  it("checks the default export", async () => {
    const folder = await templateFolder({
      "e.ts":
        'import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment({ parallelBuilds: 3 });\n',
    });
    const environment = await loadEnvironment(join(folder.path, "e.ts"), { cwd: folder.path });
    assert.equal(environment.parallelBuilds, 3);
  });

  it("points at what is wrong", async () => {
    const folder = await templateFolder({
      "e.ts":
        'import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment({ paralelBuilds: 3 });\n',
    });
    await assert.rejects(loadEnvironment(join(folder.path, "e.ts"), { cwd: folder.path }), {
      code: "environment-invalid",
      message: 'e.ts:2:36: unknown key "paralelBuilds"; did you mean "parallelBuilds"?',
    });
  });
});
