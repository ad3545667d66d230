import { DEBIAN, templateSaying } from "./template-folder.ts";

/** A template that is wrong, and what is said about it. */
interface Mistake {
  /** The sixth line of an else complete template; `t.ts` as a whole when it has a line end. */
  readonly source: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly message: string;
  /** What the carets stand below. */
  readonly marked?: string;
  readonly code?: string;
  readonly hint?: RegExp;
}

export const MISTAKES: Readonly<Record<string, Mistake>> = {
  "an unknown key": {
    source: `${DEBIAN}, stesp: [],`,
    message: 't.ts:6:62: unknown key "stesp"; did you mean "steps"?',
    marked: "stesp",
    hint: /docs\/templates\.md/,
  },
  "a wrong value deep inside": {
    source: `${DEBIAN}, machine: { memoryMiB: "4 GiB" },`,
    message: "t.ts:6:84: machine.memoryMiB: expected number, received string",
    marked: '"4 GiB"',
  },
  "a missing key": { source: "", message: "t.ts:4:16: base: missing: an object is needed", marked: "defineTemplate" },
  "a wrong argument of a base": {
    source: 'base: packages({ distribution: "debain", release: "12" }),',
    message:
      't.ts:6:34: distribution: "debain" is not known here: one of debian, ubuntu, fedora, centos is needed; did you mean "debian"?',
    marked: '"debain"',
  },
  "a base written out": {
    source: 'base: { kind: "packages", distribution: "debian", release: "12", include: ["a b"] },',
    message: "t.ts:6:78: base.include.0: that is not a package name",
    marked: '"a b"',
  },
  "an argument of an op": {
    source: `${DEBIAN}, steps: [defineStep("s", [run("true"), writeFile("etc/x", "y", { mode: 9 })])],`,
    message: "t.ts:6:110: path: an absolute path without . or .. parts is needed, for example /etc/motd",
    marked: '"etc/x"',
  },
  "an option of an op": {
    source: `${DEBIAN}, steps: [defineStep("s", [writeFile("/x", "y", { owner: "me" })])],`,
    message: 't.ts:6:117: owner: write it as "user:group"',
    marked: '"me"',
  },
  "an argument in a rest": {
    source: `${DEBIAN}, steps: [defineStep("s", [run("echo", 3)])],`,
    message: "t.ts:6:99: argv.1: expected string, received number",
    marked: "3",
  },
  "a duplicate step name": {
    source: `${DEBIAN}, steps: [defineStep("s", []), defineStep("s", [])],`,
    message: 't.ts:6:91: steps.1: duplicate step name "s"',
    marked: 'defineStep("s", [])',
  },
  "a duplicate step name behind a spread": {
    source: `${DEBIAN}, steps: [...[1, 2].map(() => defineStep("s", []))],`,
    message: 't.ts:6:70: steps.1: duplicate step name "s"',
    marked: '...[1, 2].map(() => defineStep("s", []))',
  },
  "a missing file to copy": {
    source: `${DEBIAN}, steps: [defineStep("s", [copyIn("files/hsots", "/etc/hosts")])],`,
    files: { "files/hosts": "" },
    message: 't.ts:6:94: no file or folder "files/hsots"; did you mean "hosts"?',
    marked: '"files/hsots"',
    hint: /relative to the template's folder/,
  },
  "a missing disk": {
    source: 'base: localDisk("disk.img", { distribution: "debian", release: "12" }),',
    message: 't.ts:6:19: no file or folder "disk.img"',
    marked: '"disk.img"',
  },
  "a disk that is a folder": {
    source: 'base: localDisk("disk", { distribution: "debian", release: "12" }),',
    files: { "disk/x": "x" },
    message: 't.ts:6:19: "disk" is not a disk image',
  },
  "a value behind a name": {
    source: `import { defineTemplate, packages } from "kvci-build";
const base = packages({ distribution: "debian", release: "12" });
const machine = { cpus: 0 };
const common = { machine, base };
export default defineTemplate({ ...common, name: "t" });
`,
    message: "t.ts:3:25: machine.cpus: Too small: expected number to be >=1",
    marked: "0",
  },
  "a family in another file": {
    source: 'import { k8s } from "./family.ts";\nexport default k8s("1.31");\n',
    files: {
      "family.ts": `import { defineTemplate, packages } from "kvci-build";
export const k8s = (version: string) =>
  defineTemplate({ name: version, ${DEBIAN}, disk: { sizeGiB: 0 } });
`,
    },
    message: "family.ts:3:111: disk.sizeGiB: Too small: expected number to be >=1",
    marked: "0",
  },
  "a function of one's own around defineTemplate": {
    source: `import { defineTemplate, packages, type TemplateInput } from "kvci-build";
const base = packages({ distribution: "debian", release: "12" });
const make = (input: Omit<TemplateInput, "base">) => defineTemplate({ ...input, base });
export default make({ name: "T" });
`,
    message: "t.ts:4:29: name: use lower-case letters, digits, dots and dashes, for example k8s-1.31",
    marked: '"T"',
  },
  "a plain object": {
    source: 'export default { name: "t", bse: 1, base: { kind: "template", name: "x" } };\n',
    message: 't.ts:1:29: unknown key "bse"; did you mean "base"?',
    marked: "bse",
  },
  "a syntax error": {
    source: "const a: number = 1;\nexport default { a: , b };\n",
    message: "t.ts:2:21: Expression expected",
    marked: ",",
    hint: /does not parse/,
  },
  "a name declared twice": {
    source: "const a = 1;\nconst a = 2;\nexport default a;\n",
    message: "t.ts:2:7: Identifier 'a' has already been declared",
    marked: "a",
  },
  "a syntax error in an imported file": {
    source: 'import "./other.ts";\nexport default {};\n',
    files: { "other.ts": "\nexport const x = (;\n" },
    message: "other.ts:2:19: Expression expected",
  },
  "syntax that is more than types": {
    source: "enum Color { Red }\nexport default {};\n",
    message: "t.ts:1:1: TypeScript enum is not supported in strip-only mode",
    marked: "enum Color { Red }",
    hint: /union of strings/,
  },
  "an import of a file that is not there": {
    source: 'import { x } from "./famly.ts";\nexport default x;\n',
    files: { "family.ts": "" },
    message: 't.ts:1:19: no file "./famly.ts" to import; did you mean "family.ts"?',
    marked: '"./famly.ts"',
  },
  "an import without extension": {
    source: 'import { x } from "./family";\nexport default x;\n',
    files: { "family.ts": "" },
    message: 't.ts:1:19: no file "./family" to import; did you mean "family.ts"?',
    hint: /extension/,
  },
  "an import of a package that is not there": {
    source: 'import x from "kvci-biuld";\nexport default x;\n',
    message: "t.ts:1:15: cannot import \"kvci-biuld\": Cannot find package 'kvci-biuld'",
    marked: '"kvci-biuld"',
  },
  "an import of a name that is not there": {
    source: 'import { defineTemplat } from "kvci-build";\nexport default defineTemplat;\n',
    message: "t.ts:1:10: The requested module 'kvci-build' does not provide an export named 'defineTemplat'",
    marked: "defineTemplat",
    hint: /^Did you mean "defineTemplate"\?/,
  },
  "an exception": {
    source: "const nothing = undefined as unknown as { a: string };\nexport default nothing.a;\n",
    message: "t.ts:2:24: TypeError: Cannot read properties of undefined (reading 'a')",
    marked: "a",
  },
  "an exception in a step's ops": {
    source: `${DEBIAN}, steps: [defineStep("s", () => [run(null.x)])],`,
    message: "t.ts:6:102: TypeError: Cannot read properties of null (reading 'x')",
  },
  "something thrown that is no error": {
    source: "throw Object.create(null);\n",
    message: "t.ts: [Object: null prototype] {} was thrown",
  },
  "ops that are none": {
    source: `${DEBIAN}, steps: [defineStep("fine", []), defineStep("s", () => [{ kind: "rum", argv: ["x"] }])],`,
    message:
      't.ts:6:125: steps.1.ops.0.kind: "rum" is not known here: one of run, write-file, copy-in, fetch-in, load-images, reboot, wait-for is needed; did you mean "run"?',
    marked: '"rum"',
  },
  "no default export": {
    source: `import { defineTemplate, packages } from "kvci-build";\nexport const t = defineTemplate({ name: "t", ${DEBIAN} });\n`,
    message: "t.ts:2:18: there is no default export",
    marked: "defineTemplate",
    hint: /export default defineTemplate/,
  },
  "a family that is not called": {
    source: "const k8s = (version: string) => ({ name: version });\nexport default k8s;\n",
    message: "t.ts:2:16: the default export is a function",
    hint: /export default k8s\("1\.31"\)/,
  },
  "an empty file": { source: "\n", message: "t.ts: there is no default export" },
  "a base that is not there": {
    source: 'base: fromTemplate("quikstart"),',
    files: { "quickstart.ts": "" },
    code: "template-not-found",
    message: 't.ts:6:9: no template "quikstart"; did you mean "quickstart"?',
    marked: 'fromTemplate("quikstart")',
  },
  "a base that is the template itself": {
    source: 'base: fromTemplate("t"),',
    message: "t.ts:6:9: base: templates are based on each other: t.ts -> t.ts",
    marked: 'fromTemplate("t")',
  },
  "a cycle, where it closes": {
    source: 'base: fromTemplate("b"),',
    files: { "b.ts": templateSaying('base: fromTemplate("t"),') },
    message: "b.ts:6:9: base: templates are based on each other: t.ts -> b.ts -> t.ts",
    marked: 'fromTemplate("t")',
  },
  "a mistake in the base": {
    source: 'base: fromTemplate("b"),',
    files: { "b.ts": templateSaying(`${DEBIAN}, chekcs: [],`) },
    message: 'b.ts:6:62: unknown key "chekcs"; did you mean "checks"?',
    marked: "chekcs",
  },
  "an architecture that the base is not made for": {
    source: 'base: fromTemplate("b"), arches: ["amd64", "arm64"],',
    files: { "b.ts": templateSaying(`${DEBIAN},`, "b") },
    message: 't.ts:6:46: arches.1: "b" is not made for arm64',
    marked: '"arm64"',
  },
  "a disk smaller than the base's": {
    source: 'base: fromTemplate("b"), disk: { sizeGiB: 5 },',
    files: { "b.ts": templateSaying(`${DEBIAN},`, "b") },
    message: 't.ts:6:45: disk.sizeGiB: smaller than the disk of "b", which has 10 GiB',
    marked: "5",
  },
};
