import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { App } from "../../../../src/cli/app.ts";
import { cacheWhy } from "../../../../src/cli/commands/cache-why.ts";
import { planNamed } from "../../../../src/cli/named-plans.ts";
import { rememberPlan } from "../../../../src/store/build-history.ts";
import { fileLayerStore } from "../../../../src/store/layer-store.ts";
import type { Layer } from "../../../../src/store/layer.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const signal = new AbortController().signal;

function templateOf(text: string): string {
  return `import { defineStep, defineTemplate, localDisk, writeFile } from "kvci-build";
export default defineTemplate({
  name: "node",
  base: localDisk("disk.raw", { distribution: "debian", release: "12" }),
  steps: [
    defineStep("motd", [writeFile("/etc/motd", ${JSON.stringify(text)})]),
    defineStep("issue", [writeFile("/etc/issue", "x")]),
  ],
});
`;
}

describe("cache why", () => {
  let folder: string;
  let app: App;
  let printed: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-why-"));
    printed = "";
    const stdout = new PassThrough();
    stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    const streams = { stdin: stdout, stdout, stderr: stdout } as unknown as Pick<App, "stdin" | "stdout" | "stderr">;
    const storeRoot = join(folder, "store");
    const search = { path: "", toolsFolder: folder };
    app = { cwd: folder, env: {}, argv: [], ...streams, isRoot: false, storeRoot, search, signal, now: () => NOW };
    await writeFile(join(folder, "disk.raw"), "disk");
    await writeFile(join(folder, "node.ts"), templateOf("one\ntwo\n"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** Asks of a template of the same name in a file of another: Node evaluates a file once per process. */
  const why = async (
    step: string,
    { json, template = "node.ts" }: { readonly json?: true; readonly template?: string } = {},
  ): Promise<{ exit: number; text: string }> => {
    const flags = { arch: "amd64", env: "local", ...(json ? { json } : {}) } as const;
    const exit = await cacheWhy(app, { template, step }, flags);
    return { exit, text: printed };
  };

  /** As a build of the template would leave the store, with layers of its first steps. */
  async function build(steps: number): Promise<void> {
    const [planned] = await planNamed(app, ["node.ts"], { arch: "amd64", known: async () => undefined });
    assert.ok(planned);
    const { disk } = planned.plan;
    const root = app.storeRoot;
    const basePath = join(root, "blobs", "base");
    for (const made of ["blobs", "entries"]) await mkdir(join(root, made), { recursive: true });
    await writeFile(basePath, "disk");
    const layers = fileLayerStore({ root }, { now: () => NOW - 3_600_000 });
    let parent: Layer | undefined;
    for (const [index, key] of [disk.bootKey, ...disk.steps.map((step) => step.key)].slice(0, steps + 1).entries()) {
      const place = join(root, "tmp", "run", String(index));
      await mkdir(place, { recursive: true });
      const draft = await layers.draft({ key, parent, basePath, folder: place });
      await writeFile(draft.path, "layer");
      const facts = { step: "s", ops: [], template: "node", durationMs: 1_200, virtualBytes: 1 };
      parent = await layers.adopt(draft, facts, signal);
    }
    await rememberPlan(root, planned.plan, { cachedSteps: steps });
  }

  it("exits 0 for a cached step, and tells of its layer", async () => {
    await build(2);
    const { exit, text } = await why("issue");
    assert.equal(exit, 0);
    assert.match(
      text,
      /^✓ cached {2}node amd64, step 2 of 2: issue\nkey sha256:[0-9a-f]{64}\n\nlayer .*layer\.qcow2\n/,
    );
    assert.match(text, /^5 B, made 1h ago \(2026-11-20T11:00:00\.000Z\) for template node in 1\.2 s$/m);
  });

  it("exits 2 for a step that will run, with every changed line", async () => {
    await build(2);
    await writeFile(join(folder, "changed.ts"), templateOf("one\nzwei\n"));
    const { exit, text } = await why("motd", { template: "changed.ts" });
    assert.equal(exit, 2);
    const explained = ["op 1 (write /etc/motd), content:", "  @@ -1,3 +1,3 @@", "   one", "  -two", "  +zwei", "   "];
    assert.ok(text.includes(`\n\n${explained.join("\n")}\n`), text);
  });

  it("leads from a step that follows to the one that it follows", async () => {
    await build(0);
    const { exit, text } = await why("issue");
    assert.equal(exit, 2);
    assert.match(text, /^follows motd, which will run\n\nthe cause: kvci-build cache why node\.ts motd --arch amd64$/m);
  });

  it("is JSON when asked, with whole values", async () => {
    await build(2);
    await writeFile(join(folder, "changed.ts"), templateOf("b".repeat(400)));
    const { text } = await why("motd", { json: true, template: "changed.ts" });
    const { status, position, reasons } = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual([status, position], ["will-run", 1]);
    assert.deepEqual(reasons, [
      { cause: "op-changed", input: "op 1 (write /etc/motd), content", from: "one\ntwo\n", to: "b".repeat(400) },
    ]);
  });

  it("suggests a step for a mistyped one", async () => {
    await assert.rejects(why("modt"), {
      code: "usage",
      message: /no step "modt"; did you mean "motd"\?$/,
      hint: /motd, issue/,
    });
  });
});
