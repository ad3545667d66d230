import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ImageDisks } from "../../src/cli/image-disk.ts";
import { sha256 } from "../../src/core/digest.ts";
import { silentJournal } from "../../src/core/journal.ts";
import type { PlannedImage } from "../../src/core/op.ts";
import type { Plan } from "../../src/core/plan.ts";
import type { Store } from "../../src/store/store.ts";
import { ImagesWorld, signal } from "./images-world.ts";

const CONTENT = [
  { name: "cluster/one:v1", layers: ["base", "one"] },
  { name: "cluster/two:v1", layers: ["base", "two"] },
] as const;

describe("image disks of a build", function () {
  this.timeout(60_000);
  let world: ImagesWorld;
  let images: readonly PlannedImage[];

  before(async () => {
    world = await ImagesWorld.start(CONTENT);
    images = [...world.images.values()];
  });
  after(() => world[Symbol.asyncDispose]());
  afterEach(() => world.registry.gate.reset());

  /** A plan with a step per image, in the phase `images`. */
  function planOf(maxLayerMiB: Plan["maxLayerMiB"] = {}): Plan {
    const steps = images.map((image, index) => ({
      name: `load-${String(index)}`,
      key: sha256(image.ref),
      phase: "images",
      ops: [{ kind: "load-images", runtime: "containerd", images: [image] }],
    }));
    const sized = images.map((image) => ({ ...image, bytes: 70_000 }));
    return { disk: { steps }, images: sized, maxLayerMiB } as unknown as Plan;
  }

  function disksOf(store: Store, change: { plan?: Plan; cachedSteps?: number } = {}): ImageDisks {
    return new ImageDisks({
      plan: change.plan ?? planOf(),
      cachedSteps: change.cachedSteps ?? 0,
      environment: { registries: {} },
      env: world.registry.env,
      store,
      pin: async () => {},
      signal,
      journal: silentJournal,
    });
  }

  const kept = async (store: Store): Promise<string[]> => readdir(join(store.root, "tmp/test")).catch(() => []);

  it("fetch what the build will import before anybody asks, all of it at once", async () => {
    const store = await world.store();
    const disks = disksOf(store);
    const disk = await disks.imageDisk(images.slice(0, 1), silentJournal);
    const asked = world.registry.gate.requests.length;
    const other = await disks.imageDisk(images.slice(1), silentJournal);
    assert.equal(world.registry.gate.requests.length, asked, "the second disk was fetched for anew");
    for (const each of [disk, other, disks]) await each[Symbol.asyncDispose]();
    assert.deepEqual(await kept(store), []);
  });

  it("fetch nothing for steps that have their layers, unless it is wanted after all", async () => {
    const store = await world.store();
    const disks = disksOf(store, { cachedSteps: 2 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual(world.registry.gate.requests, []);
    await (await disks.imageDisk(images, silentJournal))[Symbol.asyncDispose]();
    await disks[Symbol.asyncDispose]();
  });

  it("try once more when a step is retried after the fetch failed", async () => {
    const store = await world.store();
    world.registry.gate.fault = () => ({ kind: "answer", status: 404 });
    const disks = disksOf(store);
    await assert.rejects(disks.imageDisk(images, silentJournal), { code: "image-missing" });
    world.registry.gate.reset();
    await (await disks.imageDisk(images, silentJournal))[Symbol.asyncDispose]();
    await disks[Symbol.asyncDispose]();
  });

  it("end their fetch with the build, whatever became of it", async () => {
    const store = await world.store();
    let released: (value: unknown) => void = () => undefined;
    const until = new Promise((resolve) => (released = resolve));
    world.registry.gate.fault = () => ({ kind: "hold", until });
    const disks = disksOf(store);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await disks[Symbol.asyncDispose]();
    released(undefined);
    assert.deepEqual(await kept(store), []);
  });

  it("refuse images that are more than their phase may take, before layers are fetched", async () => {
    const store = await world.store();
    const disks = disksOf(store, { plan: planOf({ images: 0.05 }) });
    await assert.rejects(disks.imageDisk(images, silentJournal), {
      code: "budget-exceeded",
      message: /phase "images" may take 0\.05 MiB, but its container images alone take 0\.1\d MiB/,
    });
    assert.equal(world.registry.gate.blobRequests(), 0);
    await disks[Symbol.asyncDispose]();
  });
});
