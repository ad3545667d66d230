import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { silentJournal } from "../../src/core/journal.ts";
import { checkImage } from "../../src/disk/qemu-img.ts";
import { differingFiles, filesOfDisk } from "./disk-files.ts";
import { keptSteps, ranSteps, templateText, Workspace, type Ended, type Running } from "./kvci.ts";

/** Given to repeat a failed run; printed in any case. */
const SEED = Number(process.env["KVCI_TEST_SEED"] ?? Date.now() % 1_000_000);

const STEPS = ["one", "two", "three", "four", "five", "six"];
const KILLS = 20;
const STOPPED_MS = 30_000;

/** The phases and steps of a build in order, and for how long each usually lasts on two cores without KVM. */
const TIMELINE: readonly (readonly [string, number])[] = [
  ["boot", 14_000],
  ...STEPS.map((name) => [name, 900] as const),
  ["seal", 4_500],
  ["convert", 2_200],
  ["wrap", 300],
];
/** Of the kills: the boot is one long wait, wrapping is over at once. */
const SHARE: Readonly<Record<string, number>> = { boot: 3, seal: 3, convert: 3, wrap: 1 };

/** Differ between any two builds: when things happened, and random numbers of the machine's own. */
const OWN_FILES = /^\/(?:lost\+found|var\/lib\/systemd\/(?:random-seed|timers|timesync)|var\/lib\/private)/;

/** A pseudo-random sequence of numbers from 0 to 1: the 32 first bits of the digest of seed and index. */
function randomNumbers(seed: number): () => number {
  let index = 0;
  return () =>
    createHash("sha256")
      .update(`${String(seed)} ${String(index++)}`)
      .digest()
      .readUInt32BE(0) /
    2 ** 32;
}

interface Moment {
  readonly span: string;
  readonly afterMs: number;
}

/** Moments all over a build, in the order in which it comes by them. */
function moments(random: () => number): Moment[] {
  const perStep = (KILLS - Object.values(SHARE).reduce((sum, count) => sum + count, 0)) / STEPS.length;
  let due = 0;
  return TIMELINE.flatMap(([span, lastsMs]) => {
    due += SHARE[span] ?? perStep;
    const count = Math.round(due);
    due -= count;
    const times = Array.from({ length: count }, () => Math.floor(random() * lastsMs)).sort((a, b) => a - b);
    return times.map((afterMs) => ({ span, afterMs }));
  });
}

/** Steps with files of their own; the last one writes down the sums of all. */
const MARKS = STEPS.map((name, index) => {
  const text = `seq ${String((index + 1) * 1000)} > /opt/${name}; mkdir -p /opt/all; cp /opt/${name} /opt/all`;
  const sums = index === STEPS.length - 1 ? "; cd /opt; sha256sum * all/* > /etc/sums 2> /dev/null || true" : "";
  return `defineStep("${name}", [run("sh", "-ec", "${text}${sums}")])`;
});
const FILES = { "small.ts": templateText("small", MARKS.join(", ")) };
const BUILD = ["template", "small.ts", "--no-verify", "--json"];

/** What must be the same however often a build was interrupted. */
interface Result {
  readonly packages: string;
  readonly files: ReadonlyMap<string, string>;
}

async function resultOf(workspace: Workspace): Promise<Result> {
  const disk = workspace.path("out/small/amd64/disk.qcow2");
  await checkImage(disk, { signal: new AbortController().signal, journal: silentJournal });
  const { packages } = JSON.parse(await readFile(workspace.path("out/small/amd64/packages.json"), "utf8")) as {
    packages: unknown;
  };
  return { packages: JSON.stringify(packages), files: await filesOfDisk(disk) };
}

function assertSame(result: Result, expected: Result): void {
  assert.equal(result.packages, expected.packages);
  assert.ok(result.files.has("/etc/sums") && result.files.size > 5_000, "the disk was not read");
  const differing = differingFiles(result.files, expected.files).filter((path) => !OWN_FILES.test(path));
  assert.deepEqual(differing, []);
}

/** Every layer of the store holds what was kept, and no step was kept twice. */
async function assertIntact(workspace: Workspace): Promise<string[]> {
  const layers = await workspace.layers();
  const folders = await readdir(`${workspace.store}/entries/layers`).catch(() => []);
  assert.equal(folders.length, layers.length, "something that is no whole layer is among the layers");
  for (const { path, digest, step } of layers) {
    const sum = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
    assert.equal(`sha256:${sum}`, digest, `the layer of ${step}`);
  }
  const steps = layers.map(({ step }) => step);
  assert.equal(new Set(steps).size, steps.length, `kept twice: ${steps.join(", ")}`);
  return steps;
}

/** Waits for the moment, or what comes after it in a build that is past it; undefined when the build ended before. */
async function comesTo(running: Running, { span, afterMs }: Moment): Promise<string | undefined> {
  const from = TIMELINE.findIndex(([name]) => name === span);
  const names = ["restore", ...TIMELINE.slice(from).map(([name]) => name)];
  if (span !== "boot") names.shift();
  const started = running.event((event) => event.type === "span-started" && names.includes(event.name));
  const event = await started.catch(() => undefined);
  if (event?.type !== "span-started") return undefined;
  await Promise.race([delay(afterMs), running.end]);
  return event.name;
}

describe("a build that is stopped again and again", () => {
  let expected: Result;
  before(async () => {
    const undisturbed = await Workspace.create(FILES, {}, { firstBoot: true });
    const { status, stderr } = await undisturbed.run(BUILD);
    assert.equal(status, 0, stderr.slice(-3000));
    expected = await resultOf(undisturbed);
    await undisturbed.remove();
  });

  describe(`by kill -9 at ${String(KILLS)} random moments (KVCI_TEST_SEED=${String(SEED)})`, () => {
    let workspace: Workspace;
    const runs: Ended[] = [];
    const hit: string[] = [];
    before(async () => {
      workspace = await Workspace.create(FILES);
    });
    after(() => workspace.remove());

    it("runs no step again that was kept, and takes nothing half-made for a layer", async function () {
      this.timeout(20 * 60_000);
      for (const moment of moments(randomNumbers(SEED))) {
        const kept = new Set(await assertIntact(workspace));
        const running = workspace.start(BUILD);
        const span = await comesTo(running, moment);
        running.kill("SIGKILL");
        const ended = await running.end;
        assert.ok(ended.status === null || ended.status === 0, ended.stderr.slice(-3000));
        const where = `${JSON.stringify(moment)}, ${String(span)}`;
        assert.deepEqual(
          ranSteps(ended).filter((step) => kept.has(step)),
          [],
          `ran again (${where})`,
        );
        runs.push(ended);
        if (ended.status === null && span !== undefined) hit.push(span);
        // What a run leaves is gone with the next one: no more than that of the last.
        const left = new Set((await workspace.leftovers()).map((name) => name.replace(/\.json$/, "")));
        assert.ok(left.size <= 1, `${[...left].join(", ")} are left (${where})`);
      }
    });

    it("was stopped in all of its phases", () => {
      for (const phase of ["boot", "seal", "convert"]) assert.ok(hit.includes(phase), `${phase}: ${hit.join(", ")}`);
      assert.ok(hit.filter((name) => STEPS.includes(name)).length >= STEPS.length / 2, hit.join(", "));
      assert.ok(hit.length >= KILLS - 2, `${String(hit.length)} kills`);
    });

    it("goes on to the same disk as one that nothing disturbed", async () => {
      runs.push(await workspace.run(BUILD));
      assert.equal(runs.at(-1)?.status, 0, runs.at(-1)?.stderr.slice(-3000));
      assert.deepEqual([await workspace.processes(), await workspace.leftovers()], [[], []]);
      assert.deepEqual((await assertIntact(workspace)).sort(), ["first boot", ...STEPS].sort());
      const kept = runs.flatMap(keptSteps);
      assert.equal(new Set(kept).size, kept.length, kept.join(", "));
      assertSame(await resultOf(workspace), expected);
    });

    it("passes verification", async () => {
      const { status, stderr } = await workspace.run(["verify", "out/small/amd64"]);
      assert.equal(status, 0, stderr.slice(-3000));
    });
  });

  describe("by Ctrl-C", () => {
    let workspace: Workspace;
    before(async () => {
      workspace = await Workspace.create(FILES, {}, { firstBoot: true });
    });
    after(() => workspace.remove());
    const kept: string[] = [];

    for (const span of ["restore", "two", "four", "seal", "convert"]) {
      it(`leaves nothing running, and nothing but whole layers, in ${span}`, async () => {
        const running = workspace.start(BUILD);
        await running.started(span);
        running.kill("SIGINT");
        const stopped = performance.now();
        const ended = await running.end;
        // A second on a quiet host: what a step did is still kept.
        assert.ok(performance.now() - stopped < STOPPED_MS, "it did not stop at once");
        assert.equal(ended.status, 130, ended.stderr.slice(-3000));
        assert.deepEqual([await workspace.processes(), await workspace.leftovers()], [[], []]);
        assert.deepEqual(
          ranSteps(ended).filter((step) => kept.includes(step)),
          [],
        );
        kept.push(...keptSteps(ended));
        assert.deepEqual((await assertIntact(workspace)).sort(), ["first boot", ...kept].sort());
      });
    }

    it("goes on to the same disk", async () => {
      const { status, stderr } = await workspace.run(BUILD);
      assert.equal(status, 0, stderr.slice(-3000));
      assertSame(await resultOf(workspace), expected);
    });
  });
});
