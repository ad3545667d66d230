import assert from "node:assert/strict";
import { readFile, rename, writeFile } from "node:fs/promises";
import { readBuildRecord } from "../../src/pipeline/build-record.ts";
import { bootedMachine, keptSteps, ranSteps, restoredSteps, templateText, Workspace, type Ended } from "./kvci.ts";

const BASE = ["first", "second", "third"];

/** A step that writes its name, and says so. */
function mark(name: string, text = name): string {
  return `defineStep("${name}", [run("sh", "-ec", "echo ${text} > /etc/mark-${name}")])`;
}

const FIRST_AND_SECOND = [mark("first"), mark("second")];
const COPY = 'defineStep("copy", [copyIn("file.txt", "/etc/copied")])';

describe("layers", () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await Workspace.create({ "file.txt": "one byte: a\n" }, {}, { firstBoot: true });
  });
  after(() => workspace.remove());
  afterEach(async () => {
    assert.deepEqual(await workspace.processes(), []);
    assert.deepEqual(await workspace.leftovers(), []);
  });

  const template = (name: string, steps: readonly string[]): Promise<void> =>
    workspace.write(`${name}.ts`, templateText(name, steps.join(", ")));
  const build = async (name: string, ...flags: readonly string[]): Promise<Ended> => {
    const ended = await workspace.run(["template", `${name}.ts`, "--no-verify", "--json", ...flags]);
    assert.equal(ended.status, 0, ended.stderr.slice(-3000));
    return ended;
  };
  const record = (name: string) => readBuildRecord(workspace.path(`out/${name}/amd64`));

  describe("of a chain of steps", () => {
    before(() => template("chain", [...FIRST_AND_SECOND, mark("third"), COPY]));

    it("are made on that of the first boot, which another build left, without a boot", async () => {
      const ended = await build("chain");
      assert.deepEqual(restoredSteps(ended), ["first boot"]);
      assert.equal(bootedMachine(ended), false);
      assert.deepEqual(keptSteps(ended), [...BASE, "copy"]);
    });

    it("are all there when nothing changed: nothing is started, and the result is the same", async () => {
      const before = await record("chain");
      const started = performance.now();
      const ended = await build("chain");
      const tookMs = performance.now() - started;
      assert.deepEqual(await record("chain"), before);
      assert.ok(!ended.events.some(({ type }) => type === "program-started"));
      // 0.7 s on a quiet host.
      assert.ok(tookMs < 5_000, `took ${String(tookMs)} ms`);
    });

    it("below the last step are reused when that changed, and the machine goes on where it was", async () => {
      await template("chain", [...FIRST_AND_SECOND, mark("third"), COPY, mark("last")]);
      const added = await build("chain");
      assert.deepEqual([restoredSteps(added), ranSteps(added)], [["copy"], ["last"]]);
      await template("chain", [...FIRST_AND_SECOND, mark("third"), COPY, mark("last", "other")]);
      const changed = await build("chain");
      assert.deepEqual([restoredSteps(changed), ranSteps(changed)], [["copy"], ["last"]]);
      const { steps } = await record("chain");
      assert.deepEqual(
        steps.map(({ cached }) => cached),
        [true, true, true, true, false],
      );
    });

    it("from a step on are made anew when one byte of a file that it copies changed", async () => {
      await workspace.write("file.txt", "one byte: b\n");
      const ended = await build("chain");
      assert.deepEqual([restoredSteps(ended), ranSteps(ended)], [["third"], ["copy", "last"]]);
    });

    it("from the first of two swapped steps on are made anew", async () => {
      await template("chain", [...FIRST_AND_SECOND, COPY, mark("third"), mark("last", "other")]);
      const ended = await build("chain");
      assert.deepEqual(ranSteps(ended), ["copy", "third", "last"]);
    });

    it("do not depend on what a step is called", async () => {
      const steps = [...FIRST_AND_SECOND, COPY, mark("third"), mark("last", "other").replace('"last"', '"renamed"')];
      await template("chain", steps);
      assert.deepEqual(ranSteps(await build("chain")), []);
    });

    it("are shared with another template that begins with the same steps", async () => {
      await template("sibling", [...FIRST_AND_SECOND, mark("own")]);
      const ended = await build("sibling");
      assert.deepEqual([ranSteps(ended), keptSteps(ended)], [["own"], ["own"]]);
      const layers = await workspace.layers();
      for (const name of ["first", "second"]) assert.equal(layers.filter(({ step }) => step === name).length, 1, name);
    });

    it("are booted where memory is not to be restored", async () => {
      await template("sibling", [...FIRST_AND_SECOND, mark("own", "another")]);
      const ended = await build("sibling", "--no-warm");
      assert.deepEqual([bootedMachine(ended), restoredSteps(ended), ranSteps(ended)], [true, [], ["own"]]);
      assert.ok(!ended.events.some(({ type }) => type === "warm-state-kept"));
    });

    it("are all made anew when none are to be used", async () => {
      await template("sibling", [mark("first")]);
      const ended = await build("sibling", "--no-cache");
      assert.deepEqual(
        [bootedMachine(ended), ranSteps(ended), keptSteps(ended)],
        [true, ["first"], ["first boot", "first"]],
      );
    });
  });

  describe("of steps that age", () => {
    const steps = [mark("first"), `maxAge("1h", ${mark("daily")})`, `volatile(${mark("now")})`, mark("after")];
    before(() => template("aging", steps));

    it("are not kept from a volatile step on", async () => {
      assert.deepEqual(keptSteps(await build("aging")), ["daily"]);
      const again = await build("aging");
      assert.deepEqual([ranSteps(again), keptSteps(again)], [["now", "after"], []]);
    });

    it("are made anew when they are older than the step allows", async () => {
      const layer = (await workspace.layers()).find(({ step }) => step === "daily");
      assert.ok(layer);
      const path = layer.path.replace("layer.qcow2", "layer.json");
      const text = await readFile(path, "utf8");
      const aged = text.replace(layer.createdAt, new Date(Date.parse(layer.createdAt) - 2 * 3_600_000).toISOString());
      await writeFile(`${path}.new`, aged);
      await rename(`${path}.new`, path);
      const ended = await build("aging");
      assert.deepEqual([ranSteps(ended), keptSteps(ended)], [["daily", "now", "after"], ["daily"]]);
    });
  });

  it("hold what a step did before and after it rebooted the machine, and a step that asks for it finds a fresh boot", async () => {
    const twice =
      'defineStep("twice", [run("touch", "/etc/before", "/run/before"), reboot(), ' +
      'run("sh", "-ec", "test -e /etc/before && test ! -e /run/before && touch /etc/after /run/after")])';
    const fresh =
      'freshBoot(defineStep("fresh", [run("sh", "-ec", "test -e /etc/after && test ! -e /run/after && touch /run/fresh")]))';
    const same = 'defineStep("same", [run("test", "-e", "/run/fresh")])';
    await template("boots", [twice, fresh, same]);
    const ended = await build("boots");
    assert.deepEqual(keptSteps(ended), ["twice", "fresh", "same"]);
  });

  describe("of 200 steps", () => {
    const NAMES = Array.from({ length: 200 }, (_, index) => `step-${String(index)}`);
    const steps = NAMES.map((name) => mark(name));

    it("are made one on the other", async function () {
      // 0.7 s for each step on two quiet cores without KVM; twice that beside another machine.
      this.timeout(15 * 60_000);
      await template("long", steps);
      assert.deepEqual(keptSteps(await build("long")), NAMES);
      assert.equal((await record("long")).steps.length, NAMES.length);
    });

    it("are planned in a second", async () => {
      const started = performance.now();
      const { status, stdout } = await workspace.run(["template", "long.ts", "--plan", "--json"]);
      const tookMs = performance.now() - started;
      assert.equal(status, 0);
      const { cache } = JSON.parse(stdout) as { cache: { steps: { status: string }[] } };
      assert.deepEqual([...new Set(cache.steps.map((step) => step.status))], ["cached"]);
      // 0.5 s on a quiet host.
      assert.ok(tookMs < 3_000, `took ${String(tookMs)} ms`);
    });

    it("are restored and booted like any other chain when the last one changed", async () => {
      await template("long", [...steps.slice(0, -1), mark("step-199", "changed")]);
      const restored = await build("long");
      assert.deepEqual([restoredSteps(restored), ranSteps(restored)], [["step-198"], ["step-199"]]);
      await template("long", [...steps.slice(0, -1), mark("step-199", "changed-again")]);
      const booted = await build("long", "--no-warm");
      assert.deepEqual([bootedMachine(booted), ranSteps(booted)], [true, ["step-199"]]);
    });
  });
});
