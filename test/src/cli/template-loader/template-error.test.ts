import assert from "node:assert/strict";
import { join } from "node:path";
import { loadTemplate } from "../../../../src/cli/template-loader/load.ts";
import { KvciError } from "../../../../src/core/error.ts";
import { DEBIAN, templateFolders, templateSaying } from "./template-folder.ts";
import { MISTAKES } from "./template-mistakes.ts";

describe("template error", () => {
  const templateFolder = templateFolders();

  async function errorOf(files: Readonly<Record<string, string>>, deadlineMs = 5_000): Promise<KvciError> {
    const folder = await templateFolder(files);
    const options = { cwd: folder.path, templatesDir: join(folder.path, "none"), deadlineMs };
    const error: unknown = await loadTemplate(join(folder.path, "t.ts"), options).then(
      () => assert.fail("the template loads"),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof KvciError, String(error));
    return error;
  }

  for (const [what, { source, files, message, marked, code = "template-invalid", hint }] of Object.entries(MISTAKES)) {
    it(`shows ${what}`, async () => {
      const error = await errorOf({ ...files, "t.ts": source.endsWith("\n") ? source : templateSaying(source) });
      assert.equal(error.message, message);
      assert.equal(error.code, code);
      if (marked !== undefined) assert.equal(markedIn(error.evidence), marked);
      if (hint) assert.match(error.hint, hint);
    });
  }

  it("lists every mistake with its place, in the order of the source", async () => {
    const error = await errorOf({
      "t.ts": templateSaying(`${DEBIAN},\n  steps: [3],\n  nmae: 1,\n\tdisk: { sizeGiB: 0 },`, "T"),
    });
    assert.equal(
      error.message,
      "t.ts:5:9: name: use lower-case letters, digits, dots and dashes, for example k8s-1.31 (and 3 more)",
    );
    assert.deepEqual(error.evidence, [
      "t.ts:5:9: name: use lower-case letters, digits, dots and dashes, for example k8s-1.31",
      " 4 | export default defineTemplate({",
      ' 5 |   name: "T",',
      "   |         ^^^",
      "t.ts:7:11: steps.0: a step is needed: call a function of the step library, or defineStep(name, ops)",
      ' 6 |   base: packages({ distribution: "debian", release: "12" }),',
      " 7 |   steps: [3],",
      "   |           ^",
      't.ts:8:3: unknown key "nmae"; did you mean "name"?',
      " 7 |   steps: [3],",
      " 8 |   nmae: 1,",
      "   |   ^^^^",
      "t.ts:9:19: disk.sizeGiB: Too small: expected number to be >=1",
      " 8 |   nmae: 1,",
      " 9 | \tdisk: { sizeGiB: 0 },",
      "   | \t                 ^",
    ]);
  });

  it("ends a template that waits for ever", async () => {
    const source = "const never = new Promise<string>(() => undefined);\nexport default await never;\n";
    const error = await errorOf({ "t.ts": source }, 50);
    assert.equal(error.message, "t.ts:2:16: the template was still being evaluated after 0.05 s");
    assert.match(error.hint, /remove the await/);
  });

  it("keeps what was thrown as its cause", async () => {
    const error = await errorOf({ "t.ts": "throw new RangeError('far');\n" });
    assert.ok(error.cause instanceof RangeError);
  });
});

/** The part of the source line that the carets stand below. */
function markedIn(evidence: readonly string[]): string | undefined {
  const [line, carets] = evidence.slice(-2);
  const start = carets?.indexOf("^") ?? 0;
  return line?.slice(start, (carets?.lastIndexOf("^") ?? 0) + 1);
}
