import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { readdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { LAYERS } from "../../src/store/layer-record.ts";
import { fileLayerStore } from "../../src/store/layer-store.ts";
import { bootedMachine, keptSteps, ranSteps, templateText, warnings, Workspace, type Ended } from "./kvci.ts";
import { assertQuiet, soundLayers } from "./sound-store.ts";

const MIB = 1024 ** 2;

function mark(name: string, text = name, seconds = 0): string {
  return `defineStep("${name}", [run("sh", "-ec", "echo ${text} > /etc/mark-${name}; sleep ${String(seconds)}")])`;
}

function isKept(step: string) {
  return (event: { readonly type: string; readonly step?: string }) =>
    event.type === "layer-kept" && event.step === step;
}

/** What `cache gc` and `cache ls` tell of an item, as far as is looked at. */
interface Listed {
  readonly path: string;
  readonly kind: string;
  readonly bytes: number;
}

interface Collected {
  readonly removed: readonly Listed[];
  readonly freedBytes: number;
}

/** What a folder takes on the disk. */
function bytesOf(folder: string): number {
  return Number(execFileSync("du", ["-s", "--block-size=1", folder], { encoding: "utf8" }).split("\t")[0]);
}

describe("a store", () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await Workspace.create({}, {}, { firstBoot: true });
  });
  after(() => workspace.remove());
  afterEach(() => assertQuiet(workspace));

  const build = (name: string): readonly string[] => ["template", `${name}.ts`, "--no-verify", "--json"];
  const gc = async (...flags: readonly string[]): Promise<Collected> => {
    const { status, stdout, stderr } = await workspace.run(["cache", "gc", "--json", ...flags]);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as Collected;
  };
  const paths = async (): Promise<string[]> => {
    const { stdout } = await workspace.run(["cache", "ls", "--json"]);
    return (JSON.parse(stdout) as { items: readonly Listed[] }).items.map(({ path }) => path).sort();
  };

  it("that is emptied during a build keeps what that uses, and the build ends well", async () => {
    await workspace.template("used", mark("early"), mark("running", "running", 4));
    const running = workspace.start(build("used"));
    await running.event(isKept("early"));
    await running.started("running");
    const before = await workspace.layers();
    const { removed } = await gc("--max-size", "0");
    assert.deepEqual(await workspace.layers(), before);
    assert.deepEqual(
      removed.filter(({ kind }) => kind === "base" || kind === "layer"),
      [],
    );
    const { status, stderr } = await running.end;
    assert.equal(status, 0, stderr.slice(-3000));
    assert.deepEqual((await workspace.layers()).map(({ step }) => step).sort(), ["early", "first boot", "running"]);
  });

  it("says in a dry run what would go, frees that and no more, and the next build just makes it again", async () => {
    const before = await paths();
    const base = bytesOf(join(workspace.store, "entries/bases"));
    const size = ["--max-size", String(base + MIB)];
    const would = await gc(...size, "--dry-run");
    assert.deepEqual(await paths(), before);
    const { removed, freedBytes } = await gc(...size);
    const names = removed.map(({ path }) => path);
    assert.deepEqual([names, freedBytes], [would.removed.map(({ path }) => path), would.freedBytes]);
    const left = await paths();
    assert.deepEqual(
      left,
      before.filter((path) => !names.includes(path)),
    );
    assert.ok(
      left.some((path) => path.startsWith("entries/bases/")),
      "the base, which was used last, is gone",
    );
    assert.deepEqual(await workspace.layers(), []);

    // Also the finished build goes, or it would be left as it is.
    await rm(workspace.path("out"), { recursive: true });
    const ended = await workspace.run(build("used"));
    assert.equal(ended.status, 0, ended.stderr.slice(-3000));
    assert.deepEqual([bootedMachine(ended), ranSteps(ended)], [true, ["early", "running"]]);
  });

  it("grows by what changed: rebuilds that differ in the last step cost a delta each", async () => {
    const large = 'defineStep("large", [run("sh", "-ec", "head -c 30M /dev/urandom > /opt/large")])';
    const layers = join(workspace.store, LAYERS);
    const grown: number[] = [];
    for (const variant of ["0", "1", "2", "3", "4", "5"]) {
      await workspace.template("growing", large, mark("last", variant));
      const before = bytesOf(layers);
      const running = workspace.start(build("growing"));
      await running.event(isKept("last"));
      // Sealing adds nothing to the layers.
      running.kill("SIGINT");
      await running.end;
      grown.push(bytesOf(layers) - before);
    }
    const [first = 0, ...deltas] = grown;
    process.stdout.write(`      KiB per build: ${grown.map((bytes) => Math.round(bytes / 1024)).join(", ")}\n`);
    assert.ok(first > 30 * MIB, String(first));
    for (const delta of deltas) assert.ok(delta > 0 && delta < 2 * MIB, String(delta));
  });
});

describe("a store on a file system that gets full", () => {
  /** Room beside the base and what was kept of its first boot: for one warm state, but not for what the step writes. */
  const ROOM_MB = 200;
  /** Less than the memory of a machine, and enough for its disk. */
  const TIGHT_MB = 45;
  /** Enough for what a guest writes while it does nothing. */
  const SPARE_MB = 8;
  const env: Record<string, string> = {};
  let workspace: Workspace;
  let small: string;

  const remount = (options: string): void => void execFileSync("mount", ["-o", `remount,${options}`, small]);
  const giveRoom = (megabytes: number): void => {
    const used = Math.ceil(bytesOf(small) / MIB);
    remount(`size=${String(used + megabytes)}m`);
  };
  const freeBytes = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(small);
    return bavail * bsize;
  };
  const start = (name: string) => workspace.start(["template", `${name}.ts`, "--no-verify", "--json"], env);
  const layerStore = () => fileLayerStore({ root: small }).list();
  const assertNothingHalf = async (): Promise<void> => {
    assert.deepEqual(
      [await workspace.processes(), await readdir(join(small, "runs")), await readdir(join(small, "tmp"))],
      [[], [], []],
    );
    const layers = await soundLayers(workspace, await layerStore());
    assert.equal((await readdir(join(small, LAYERS))).length, layers.length);
  };
  const assertFull = ({ status, stderr }: Ended): void => {
    assert.equal(status, 4, stderr.slice(-3000));
    assert.match(stderr, /no space (?:is )?left/);
    assert.match(stderr, /"code":"store-full".*"hint":"Free some space/);
  };

  before(async () => {
    const fill = 'defineStep("fill", [run("sh", "-ec", "head -c 300M /dev/urandom > /var/fill; sync; rm /var/fill")])';
    const files = {
      "fill.ts": templateText("fill", `${mark("kept")}, ${fill}`),
      "close.ts": templateText("close", `${mark("written")}, ${mark("closed", "closed", 3)}`),
      "tight.ts": templateText("tight", mark("tight")),
    };
    workspace = await Workspace.create(files, {}, { firstBoot: true });
    small = workspace.path("small-store");
    mkdirSync(small);
    env["KVCI_BUILD_STORE"] = small;
    execFileSync("mount", ["-t", "tmpfs", "tmpfs", small]);
    cpSync(join(workspace.store, "entries"), join(small, "entries"), { recursive: true, preserveTimestamps: true });
  });
  after(async () => {
    execFileSync("umount", ["--lazy", small]);
    await workspace.remove();
  });
  afterEach(assertNothingHalf);

  it("while a step writes, keeps what was kept before; with more room the same command goes on there", async () => {
    giveRoom(ROOM_MB);
    const full = await start("fill").end;
    assertFull(full);
    assert.deepEqual([ranSteps(full), keptSteps(full)], [["kept", "fill"], ["kept"]]);
    giveRoom(1000);
    const again = await start("fill").end;
    assert.equal(again.status, 0, again.stderr.slice(-3000));
    assert.deepEqual(ranSteps(again), ["fill"]);
  });

  it("while a layer is closed, keeps nothing half of it, and goes on there once there is room", async () => {
    giveRoom(300);
    const running = start("close");
    await Promise.all([running.event(isKept("written")), running.event(({ type }) => type === "warm-state-kept")]);
    await running.started("closed");
    // Nearly full while the step runs, and full when it is done: the guest's disk is flushed then, and an overlay made.
    const fillings = ["most", "rest"].map((name) => join(small, name));
    writeFileSync(fillings[0] ?? "", Buffer.alloc((await freeBytes()) - SPARE_MB * MIB, 1));
    await running.event((event) => event.type === "op-ended" && event.durationMs > 2_000);
    assert.throws(() => writeFileSync(fillings[1] ?? "", Buffer.alloc(2 * SPARE_MB * MIB, 1)), /ENOSPC/);
    const full = await running.end;
    for (const path of fillings) await rm(path);
    assertFull(full);
    assert.ok(!keptSteps(full).includes("closed"));
    const again = start("close");
    await again.event(isKept("closed"));
    again.kill("SIGINT");
    assert.deepEqual(ranSteps(await again.end), ["closed"]);
  });

  it("while a machine's memory is saved, goes on without that and says so", async () => {
    giveRoom(TIGHT_MB);
    const ended = await start("tight").end;
    assert.equal(ended.status, 0, ended.stderr.slice(-3000));
    assert.match(warnings(ended).join("\n"), /warm state of step tight: it could not be (?:saved|kept): /);
    assert.deepEqual(keptSteps(ended), ["tight"]);
  });

  it("and is read-only, is looked at and planned with, and is named by what would write to it", async () => {
    remount("ro");
    try {
      const planned = await workspace.run(["template", "tight.ts", "--plan"], env);
      assert.equal(planned.status, 0, planned.stderr);
      assert.match(planned.stdout, /cached/);
      assert.equal((await workspace.run(["cache", "ls"], env)).status, 0);
      for (const args of [
        ["template", "fill.ts", "--no-verify"],
        ["cache", "gc", "--max-size", "0"],
      ]) {
        const { status, stderr } = await workspace.run(args, env);
        assert.equal(status, 4, stderr);
        assert.match(stderr, /read-?only/i);
        assert.ok(stderr.includes(small), stderr);
      }
    } finally {
      remount("rw");
    }
  });
});
