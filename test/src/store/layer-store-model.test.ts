import assert from "node:assert/strict";
import fc from "fast-check";
import { digestOfValue, sha256, type Digest } from "../../../src/core/digest.ts";
import { choice, removeItems } from "../../../src/store/collect.ts";
import { inventory } from "../../../src/store/inventory.ts";
import { fileLayerStore } from "../../../src/store/layer-store.ts";
import type { Layer, LayerStore } from "../../../src/store/layer.ts";
import { Crash, CrashingFiles, type End } from "./crashing-files.ts";

const signal = new AbortController().signal;
const ROOT = "/store";
const BASE = sha256("base");
const BASE_PATH = `${ROOT}/blobs/sha256/${BASE.slice(7)}`;
const STEPS = ["a", "b"] as const;
const FIRST: Digest = digestOfValue({ base: BASE });

/** What went into the store under an id: the truth that the store is held to. */
interface Truth {
  readonly id: string;
  readonly key: Digest;
  readonly parent: string | undefined;
  readonly content: string;
}

type Action =
  /** Builds the path of steps as a run does: takes the chain, checks it, sets aside what is damaged, adds what lacks. */
  | { readonly kind: "build"; readonly path: readonly (typeof STEPS)[number][] }
  | { readonly kind: "damage"; readonly which: number }
  | { readonly kind: "collect"; readonly keep: number; readonly pinned: number };

/** A store, what is known to be in it, and the laws it must keep whatever happened. */
class World {
  readonly disk = new CrashingFiles();
  readonly truths = new Map<string, Truth>();
  /** Adopted and reported, not removed or damaged since: must be there and right. */
  readonly owed = new Set<string>();
  #boot = 0;
  #made = 0;
  readonly #layers: LayerStore = fileLayerStore(
    { root: ROOT },
    {
      files: this.disk.files,
      random: () => (this.#made += 1).toString(16).padStart(8, "0"),
      now: () => 1_000_000 + this.#made,
      bootId: async () => `boot ${this.#boot}`,
    },
  );

  static async create(): Promise<World> {
    const world = new World();
    const { files } = world.disk;
    for (const folder of ["blobs/sha256", "entries", "runs", "tmp"]) await files.makeFolder(`${ROOT}/${folder}`);
    await files.write(BASE_PATH, "base");
    for (const path of [BASE_PATH, `${ROOT}/blobs/sha256`, `${ROOT}/blobs`, ROOT, "/"]) await files.flush(path);
    return world;
  }

  /** Does an action to its end, or until the crash; then the world starts again. */
  async perform(action: Action, crash?: { readonly after: number; readonly end: End; readonly choose: () => boolean }) {
    if (crash) this.disk.crashAfter(crash.after);
    try {
      await this.#do(action);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    if (!crash) return;
    this.disk.restart(crash.end, crash.choose);
    if (crash.end === "power-cut") this.#boot += 1;
    // As the next run does first.
    for (const name of await this.disk.files.names(`${ROOT}/tmp`)) {
      if (!name.startsWith("removed-")) await this.disk.files.remove(`${ROOT}/tmp/${name}`);
    }
  }

  async #do(action: Action): Promise<void> {
    if (action.kind === "build") await this.#build(action.path);
    else if (action.kind === "damage") this.#damage(action.which);
    else await this.#collect(action);
  }

  async #build(path: readonly string[]): Promise<void> {
    const keys = keysOf(path);
    let below = await this.#sound(keys);
    for (const key of keys.slice(below ? keys.indexOf(below.key) + 1 : 0)) {
      const folder = `${ROOT}/tmp/run/${this.#made}`;
      await this.disk.files.makeFolder(folder);
      const draft = await this.#layers.draft({ key, parent: below, basePath: BASE_PATH, folder });
      const content = `${key} ${draft.id}`;
      this.disk.put(draft.path, content);
      this.truths.set(draft.id, { id: draft.id, key, parent: below?.id, content });
      const facts = { step: "s", ops: [], template: "t", durationMs: 1, virtualBytes: 1 };
      below = await this.#layers.adopt(draft, facts, signal);
      this.owed.add(draft.id);
    }
  }

  /** The uppermost layer that a run would go on from. */
  async #sound(keys: readonly Digest[]): Promise<Layer | undefined> {
    const { layers } = await this.#layers.chain(
      keys.map((key) => ({ key })),
      { now: 0 },
    );
    for (const [at, layer] of layers.entries()) {
      if (await this.#layers.isIntact(layer, signal)) continue;
      assert.ok(!this.owed.has(layer.id), "a sound layer is taken for a damaged one");
      await this.#layers.setAside(layer);
      return layers[at - 1];
    }
    return layers.at(-1);
  }

  #damage(which: number): void {
    const there = [...this.truths.keys()].filter((id) => this.disk.text(diskOf(id)) !== undefined);
    const id = there[which % Math.max(1, there.length)];
    if (id === undefined) return;
    this.owed.delete(id);
    const text = this.disk.text(diskOf(id)) ?? "";
    this.disk.put(diskOf(id), `!${text.slice(1)}`);
  }

  async #collect({ keep, pinned }: Extract<Action, { kind: "collect" }>): Promise<void> {
    const items = await inventory(ROOT, this.disk.files);
    const pins = [...this.owed].filter((_, index) => (pinned >> (index % 8)) & 1).map((id) => `entries/layers/${id}`);
    const used = new Set(["blobs/sha256/" + BASE.slice(7), ...pins]);
    const { removed } = choice(items, { holds: (path) => used.has(path), otherRuns: 0 }, { maxBytes: keep });
    for (const { path } of removed) {
      assert.ok(!used.has(path), "a pinned item goes");
      this.owed.delete(path.replace("entries/layers/", ""));
    }
    const ports = { root: ROOT, files: this.disk.files, random: () => (this.#made += 1).toString(16) };
    await removeItems(ports, removed);
  }

  /** No reachable state serves a wrong layer, and nothing that was reported is lost. */
  async check(): Promise<void> {
    for (const path of paths(3)) {
      const keys = keysOf(path);
      const { layers } = await this.#layers.chain(
        keys.map((key) => ({ key })),
        { now: 0 },
      );
      let below: string | undefined;
      for (const [at, layer] of layers.entries()) {
        const truth = this.truths.get(layer.id);
        assert.ok(truth, `layer ${layer.id} was never made`);
        assert.deepEqual([layer.key, layer.parent], [truth.key, truth.parent]);
        assert.deepEqual([layer.key, layer.parent], [keys[at], below], "the chain is not that of the plan");
        if (await this.#layers.isIntact(layer, signal)) assert.equal(this.disk.text(layer.path), truth.content);
        below = layer.id;
      }
    }
    const there = new Map((await this.#layers.list()).map((layer) => [layer.id, layer]));
    for (const id of this.owed) {
      const layer = there.get(id);
      assert.ok(layer, `layer ${id} is lost`);
      assert.ok(await this.#layers.isIntact(layer, signal), `layer ${id} is damaged`);
      assert.equal(this.disk.text(layer.path), this.truths.get(id)?.content);
    }
    for (const id of await this.disk.files.names(`${ROOT}/entries/layers`)) {
      assert.deepEqual(await this.disk.files.names(`${ROOT}/entries/layers/${id}`), ["layer.qcow2", "layer.json"]);
    }
  }
}

const diskOf = (id: string): string => `${ROOT}/entries/layers/${id}/layer.qcow2`;

function keysOf(path: readonly string[]): Digest[] {
  const keys: Digest[] = [];
  for (const step of path) keys.push(digestOfValue({ parent: keys.at(-1) ?? FIRST, step }));
  return keys;
}

/** Every path of that many steps. */
function paths(length: number): string[][] {
  return length === 0 ? [[]] : paths(length - 1).flatMap((path) => STEPS.map((step) => [...path, step]));
}

/** Answers for what a power cut leaves of what was not flushed. */
const LOSSES: readonly (readonly [string, () => () => boolean])[] = [
  ["nothing", () => () => false],
  ["everything", () => () => true],
  ["every other change", () => alternating(true)],
  ["the rest", () => alternating(false)],
];

function alternating(first: boolean): () => boolean {
  let next = !first;
  return () => (next = !next);
}

const SCRIPT: readonly Action[] = [
  { kind: "build", path: ["a", "a"] },
  { kind: "damage", which: 1 },
  { kind: "build", path: ["a", "a", "b"] },
  { kind: "build", path: ["b", "a"] },
  { kind: "collect", keep: 250, pinned: 1 },
  { kind: "build", path: ["a", "a", "b"] },
  { kind: "collect", keep: 0, pinned: 0 },
];

describe("the states of the layer store", () => {
  it("serve no wrong layer and lose none, wherever a process is killed or the power is cut", async () => {
    let crashes = 0;
    for (const [at, action] of SCRIPT.entries()) {
      for (const [end, choose] of [
        ["killed", LOSSES[0]![1]],
        ...LOSSES.map(([, each]) => ["power-cut", each]),
      ] as const) {
        for (let after = 0, ended = false; !ended; after += 1) {
          const world = await World.create();
          for (const before of SCRIPT.slice(0, at)) await world.perform(before);
          const start = world.disk.operations;
          await world.perform(action, { after, end: end as End, choose: (choose as () => () => boolean)() });
          ended = world.disk.operations - start < after;
          await world.check();
          for (const next of SCRIPT.slice(at)) await world.perform(next);
          await world.check();
          crashes += 1;
        }
      }
    }
    assert.ok(crashes > 500, `${crashes} crashes`);
  });

  it("serve no wrong layer on random walks of builds, damage, removal and crashes", async () => {
    const step = fc.constantFrom(...STEPS);
    const action: fc.Arbitrary<Action> = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("build" as const),
          path: fc.array(step, { minLength: 1, maxLength: 3 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("damage" as const), which: fc.nat(20) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("collect" as const), keep: fc.nat(600), pinned: fc.nat(255) }),
      },
    );
    const crash = fc.record({
      after: fc.nat(40),
      end: fc.constantFrom<End>("killed", "power-cut"),
      bits: fc.array(fc.boolean(), { minLength: 1, maxLength: 16 }),
    });
    const walk = fc.array(fc.tuple(action, fc.option(crash)), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(walk, async (moves) => {
        const world = await World.create();
        for (const [each, end] of moves) {
          let bit = 0;
          const choose = (): boolean => end?.bits[bit++ % end.bits.length] ?? true;
          await world.perform(each, end ? { ...end, choose } : undefined);
          await world.check();
        }
      }),
      { numRuns: 100 },
    );
  });
});
