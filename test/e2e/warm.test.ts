import assert from "node:assert/strict";
import { chmod, copyFile, mkdir, open, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { digestOfFile } from "../../src/host/file-digest.ts";
import { readBuildRecord } from "../../src/pipeline/build-record.ts";
import {
  bootedMachine,
  keptSteps,
  ranSteps,
  restoredSteps,
  templateText,
  warnings,
  Workspace,
  type Ended,
  type Running,
} from "./kvci.ts";

const { signal } = new AbortController();
const FIRST_BOOT = /^step first boot/;
/** A guest that is that much behind was not set: states are at least that old when they are restored. */
const AGE_MS = 20_000;
/** Between the guest's answer and our reading of it. */
const CLOCK_SECONDS = 5;

function mark(name: string, text = name): string {
  return `defineStep("${name}", [run("sh", "-ec", "echo ${text} > /etc/mark-${name}")])`;
}

/** Replaces a file by a changed copy: the file itself may have another name in the store that all tests share. */
async function damage(path: string, change: (copy: string) => Promise<void>): Promise<void> {
  await copyFile(path, `${path}.new`);
  await chmod(`${path}.new`, 0o600);
  await change(`${path}.new`);
  await rename(`${path}.new`, path);
}

async function flipByte(path: string): Promise<void> {
  const file = await open(path, "r+");
  const { size } = await file.stat();
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, Math.floor(size / 2));
  await file.write(Buffer.of((byte[0] ?? 0) ^ 0xff), 0, 1, Math.floor(size / 2));
  await file.close();
}

async function halve(path: string): Promise<void> {
  const file = await open(path, "r+");
  await file.truncate(Math.floor((await file.stat()).size / 2));
  await file.close();
}

describe("a warm state", () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await Workspace.create({}, {}, { firstBoot: true });
  });
  after(() => workspace.remove());
  afterEach(async () => {
    assert.deepEqual(await workspace.processes(), []);
    assert.deepEqual(await workspace.leftovers(), []);
  });

  const template = (name: string, ...steps: readonly string[]): Promise<void> =>
    workspace.write(`${name}.ts`, templateText(name, steps.join(", ")));
  const start = (name: string, env: Readonly<Record<string, string>> = {}): Running =>
    workspace.start(["template", `${name}.ts`, "--no-verify", "--json"], env);
  const build = async (name: string): Promise<Ended> => {
    const ended = await start(name).end;
    assert.equal(ended.status, 0, ended.stderr.slice(-3000));
    return ended;
  };
  /** Stops a build once its machine boots: what led to that is all that is looked at. */
  const untilBoot = async (name: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> => {
    const running = start(name, env);
    await running.started("boot");
    running.kill("SIGINT");
    const stopped = performance.now();
    const ended = await running.end;
    assert.equal(ended.status, 130);
    assert.ok(performance.now() - stopped < 15_000, "it did not stop at once");
    return ended;
  };
  const stateAfter = async (what: RegExp): Promise<string> => {
    const states = await workspace.warmStates();
    const [, folder] = [...states].find(([name]) => what.test(name)) ?? [];
    assert.ok(folder, [...states.keys()].join(", "));
    return folder;
  };

  describe("that is restored", () => {
    /** What a step reads of its machine first thing after the restore, and the host's time then. */
    async function look(
      run: number,
    ): Promise<{ readonly seconds: number; readonly random: string; readonly nowMs: number }> {
      const script = `: ${String(run)}; echo seen $(date +%s) $(od -An -tx1 -N16 /dev/urandom | tr -d ' ') $(cat /proc/sys/kernel/random/uuid)`;
      await template("look", `defineStep("look", [run("sh", "-ec", ${JSON.stringify(script)})])`);
      const running = start("look");
      const event = await running.event(({ ...event }) => event.type === "output" && event.text.includes("seen "));
      const nowMs = Date.now();
      running.kill("SIGINT");
      const ended = await running.end;
      assert.deepEqual(restoredSteps(ended), ["first boot"]);
      const text = event.type === "output" ? event.text : "";
      const [, seconds, random] = /seen (\d+) (.*)/.exec(text) ?? [];
      return { seconds: Number(seconds), random: random ?? "", nowMs };
    }

    it("knows the time, and no other restored machine's random numbers", async () => {
      const note = await readFile(join(await stateAfter(FIRST_BOOT), "entry.json"), "utf8");
      const { createdAt } = JSON.parse(note) as { createdAt: string };
      await delay(Math.max(0, Date.parse(createdAt) + AGE_MS - Date.now()));
      const [one, two] = [await look(1), await look(2)];
      for (const { seconds, nowMs } of [one, two]) {
        assert.ok(Math.abs(seconds - nowMs / 1000) < CLOCK_SECONDS, `${String(seconds)} at ${String(nowMs / 1000)}`);
      }
      const numbers = [one, two].flatMap(({ random }) => random.split(" "));
      assert.equal(numbers.length, 4);
      assert.equal(new Set(numbers).size, 4, numbers.join(", "));
    });
  });

  describe("that cannot be used", () => {
    before(() => template("used", mark("one")));

    it("is not taken for a machine of another QEMU", async () => {
      const bin = workspace.path("bin");
      await mkdir(bin);
      const real = "/usr/bin/qemu-system-x86_64";
      const fake = `#!/bin/sh\n[ "$1" = --version ] && exec echo "QEMU emulator version 99.0"\nexec ${real} "$@"\n`;
      await writeFile(join(bin, "qemu-system-x86_64"), fake, { mode: 0o755 });
      const ended = await untilBoot("used", { PATH: `${bin}:${process.env["PATH"] ?? ""}` });
      assert.deepEqual([restoredSteps(ended), warnings(ended)], [[], []]);
      assert.equal((await workspace.warmStates()).size, 1);
    });

    it("is named when its memory is cut off, and the layer is booted", async () => {
      const folder = await stateAfter(FIRST_BOOT);
      const kept = workspace.path("kept");
      await mkdir(kept);
      for (const name of await readdir(folder)) await copyFile(join(folder, name), join(kept, name));
      await damage(join(folder, "memory.zst"), halve);
      const cut = await untilBoot("used");
      assert.match(warnings(cut).join("\n"), /warm state of step first boot: .*; booting instead/);
      assert.equal((await workspace.warmStates()).size, 0);

      // The same with a digest that is right: QEMU itself refuses it.
      await mkdir(folder);
      for (const name of await readdir(kept)) await copyFile(join(kept, name), join(folder, name));
      await halve(join(folder, "memory.zst"));
      const state = JSON.parse(await readFile(join(folder, "state.json"), "utf8")) as object;
      const digest = await digestOfFile(join(folder, "memory.zst"), "sha256", signal);
      await writeFile(join(folder, "state.json"), JSON.stringify({ ...state, digest }));
      const refused = await untilBoot("used");
      assert.match(
        warnings(refused).join("\n"),
        /warm state of step first boot: it could not be restored .*; booting instead/,
      );
      assert.equal((await workspace.warmStates()).size, 0);

      await mkdir(folder);
      for (const name of await readdir(kept)) await copyFile(join(kept, name), join(folder, name));
    });

    it("is named when a byte of its memory is another, and the result is that of a boot", async () => {
      await damage(join(await stateAfter(FIRST_BOOT), "memory.zst"), flipByte);
      const ended = await build("used");
      assert.match(
        warnings(ended).join("\n"),
        /warm state of step first boot: its memory.zst has another digest; booting/,
      );
      assert.deepEqual([bootedMachine(ended), restoredSteps(ended), ranSteps(ended)], [true, [], ["one"]]);
    });
  });

  describe("and the layer below it", () => {
    before(() => template("used", mark("one"), mark("two"), mark("three")));

    it("are its owner's alone where keys are in it", async () => {
      const ended = await build("used");
      assert.deepEqual([restoredSteps(ended), keptSteps(ended)], [["one"], ["two", "three"]]);
      for (const folder of (await workspace.warmStates()).values()) {
        for (const name of ["memory.zst", "state.json"]) {
          assert.equal((await stat(join(folder, name))).mode & 0o077, 0, name);
        }
        assert.match(await readFile(join(folder, "state.json"), "utf8"), /PRIVATE KEY/);
      }
    });

    for (const [what, change] of [
      ["changed", flipByte],
      ["cut off", halve],
    ] as const) {
      it(`are made anew with all above when the layer was ${what}; it is named and set aside`, async () => {
        const layer = (await workspace.layers()).find(({ step }) => step === "two");
        assert.ok(layer);
        await damage(layer.path, change);
        await template("used", mark("one"), mark("two"), mark("three"), mark("four", what.replace(" ", "-")));
        const ended = await build("used");
        assert.match(warnings(ended).join("\n"), /layer of step two: its bytes are not those that were kept/);
        assert.deepEqual([restoredSteps(ended), ranSteps(ended)], [["one"], ["two", "three", "four"]]);
        const aside = await readdir(join(workspace.store, "set-aside"));
        assert.ok(
          aside.some((name) => name.startsWith(layer.id)),
          aside.join(", "),
        );
      });
    }
  });
});

describe("layers of a build that installs a package", () => {
  it("hold no key, package, list, log or history of the build", async () => {
    const workspace = await Workspace.create({}, {}, { firstBoot: true });
    try {
      const text = 'installPackages(["tree"]), defineStep("after", [run("sh", "-ec", "logger kvci-test-log-line")])';
      await workspace.write("tree.ts", templateText("tree", text));
      const { status, stderr } = await workspace.run(["template", "tree.ts", "--no-verify"]);
      assert.equal(status, 0, stderr.slice(-3000));
      const { traces } = await readBuildRecord(workspace.path("out/tree/amd64"));
      const traced: readonly (readonly [string, string])[] = [
        ["the build's key", traces.publicKey.split(" ")[1] ?? traces.publicKey],
        ["the comment of all builds' keys", "kvci-build@build"],
        ["a private key", "PRIVATE KEY-----"],
        ["a downloaded package", "!<arch>\ndebian-binary"],
        ["a package list", "\nFilename: pool/"],
        ["a journal", "LPKSHHRH"],
        ["a log", "kvci-test-log-line\n"],
        ["a shell's history", ".bash_history"],
      ];
      const layers = await workspace.layers();
      assert.deepEqual(layers.map(({ step }) => step).sort(), ["after", "first boot", "install-tree"]);
      for (const { path, step } of layers) {
        const bytes = await readFile(path);
        for (const [what, trace] of traced) assert.ok(!bytes.includes(trace), `${what} is in the layer of ${step}`);
      }
    } finally {
      await workspace.remove();
    }
  });
});
