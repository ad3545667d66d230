import assert from "node:assert/strict";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { CONTAINERD_DATABASES, UNPACK } from "../../builders/qemu/image-scripts.ts";
import type { ContainerdFiles } from "../../src/core/builder.ts";
import { namesOf } from "../../src/core/image-reference.ts";
import type { PlannedImage } from "../../src/core/op.ts";
import { writeStoreDisk } from "../../src/containerd/store-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import { writeImageDisk } from "../../src/images/image-disk.ts";
import type { Store } from "../../src/store/store.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";
import { Containerd } from "../world/containerd.ts";
import { ImagesWorld, signal } from "./images-world.ts";

const CONTENT = [
  { name: "cluster/one:v1", layers: ["base", "one"] },
  { name: "cluster/two:v1", layers: ["base", "middle", "two"] },
  { name: "cluster/index:v1", layers: ["base", "middle", "index"], platforms: "index" },
  { name: "cluster/docker:v1", layers: ["other", "docker"], format: "v2s2" },
  { name: "cluster/plain:v1", layers: ["other", "plain"], plain: true },
  { name: "cluster/late:v1", layers: ["base", "middle", "two", "late"] },
] as const;

describe("containerd's store, written beside it", function () {
  this.timeout(180_000);
  let world: ImagesWorld;
  let store: Store;
  let journal: RecordingJournal;

  before(async () => {
    world = await ImagesWorld.start(CONTENT);
    store = await world.store();
  });
  after(() => world[Symbol.asyncDispose]());
  beforeEach(() => (journal = new RecordingJournal()));

  const all = (): readonly PlannedImage[] => [...world.images.values()];
  const early = (): readonly PlannedImage[] => all().filter(({ ref }) => !ref.includes("late"));

  /** What the loader does in a guest, on this host and in a root of the test's. */
  async function fillStore(folder: string, images: readonly PlannedImage[]): Promise<void> {
    const fetched = await world.fetch(images, { store });
    const disk = await writeStoreDisk(fetched, await databasesOf(folder), { store, signal, journal });
    assert.ok(disk, JSON.stringify(journal.events));
    assert.equal(disk.form, "containerd");
    await mkdir(Containerd.root(folder), { recursive: true });
    const script = `set -e\nroot='${Containerd.root(folder)}' disk='${disk.path}'\n${UNPACK}`;
    await runProgram(["sh", "-c", script], { signal, timeoutMs: 60_000 });
    await disk[Symbol.asyncDispose]();
  }

  async function databasesOf(folder: string): Promise<ContainerdFiles> {
    const [metadata, snapshots] = await Promise.all(
      CONTAINERD_DATABASES.map((path) =>
        readFile(join(Containerd.root(folder), path)).catch((): Buffer => Buffer.alloc(0)),
      ),
    );
    if (!metadata || !snapshots) throw new Error("no databases");
    return { metadata, snapshots };
  }

  /** Imported by containerd itself, from a disk as other runtimes get it. */
  async function importInto(containerd: Containerd, images: readonly PlannedImage[]): Promise<void> {
    const disk = await writeImageDisk(await world.fetch(images, { store }), { store, signal, journal });
    await containerd.ctr("images", "import", "--platform", "linux/amd64", disk.path);
    await disk[Symbol.asyncDispose]();
  }

  const namesOfAll = (images: readonly PlannedImage[]): string[] => images.flatMap((image) => namesOf(image)).sort();

  async function checkComplete(containerd: Containerd, images: readonly PlannedImage[]): Promise<void> {
    const listed = (await containerd.images()).filter((name) => !name.startsWith("sha256:"));
    assert.deepEqual(listed, namesOfAll(images));
    const checked = (await containerd.ctr("images", "check")).trim().split("\n").slice(1);
    for (const line of checked) assert.match(line, /complete \(\d+\/\d+\) .* true *$/, line);
  }

  it("has every image complete and unpacked, under tag, digest and id, as the CRI plugin's own", async () => {
    const folder = await world.scratch();
    await fillStore(folder, early());
    const containerd = await Containerd.start(folder);
    try {
      await checkComplete(containerd, early());
      const managed = await containerd.images('labels."io.cri-containerd.image"==managed');
      assert.deepEqual(managed, await containerd.images());
      assert.equal(managed.filter((name) => name.startsWith("sha256:")).length, early().length);
    } finally {
      await containerd[Symbol.asyncDispose]();
    }
  });

  it("has the same files as when containerd imports and unpacks the images", async () => {
    const [ours, theirs] = [await world.scratch(), await world.scratch()];
    await fillStore(ours, early());
    const filled = await Containerd.start(ours);
    const imported = await Containerd.start(theirs);
    try {
      await importInto(imported, early());
      for (const { ref } of early()) {
        const [one, other] = await Promise.all([treeOf(filled, ref), treeOf(imported, ref)]);
        assert.equal(one, other, ref);
        assert.match(one, /usr\/lib\/\w+\/data/);
      }
      assert.deepEqual(await snapshotsOf(filled), await snapshotsOf(imported));
    } finally {
      await filled[Symbol.asyncDispose]();
      await imported[Symbol.asyncDispose]();
    }
  });

  it("keeps what containerd had before, whoever brought it there, and shares its layers", async () => {
    const folder = await world.scratch();
    const first = await Containerd.start(folder);
    await importInto(first, early().slice(0, 2));
    await first[Symbol.asyncDispose]();
    await fillStore(folder, early().slice(2, 4));
    await fillStore(folder, [...early().slice(4), world.image("cluster/late:v1")]);
    const containerd = await Containerd.start(folder);
    try {
      await checkComplete(containerd, all());
      const layers = new Set(
        CONTENT.flatMap(({ layers: names }) => names.map((_, at) => names.slice(0, at + 1).join())),
      );
      assert.equal((await snapshotsOf(containerd)).length, layers.size);
    } finally {
      await containerd[Symbol.asyncDispose]();
    }
  });

  it("loses with an image what only that had, and nothing else, when containerd collects garbage", async () => {
    const folder = await world.scratch();
    await fillStore(folder, early());
    const containerd = await Containerd.start(folder);
    try {
      const { ref, digest } = world.image("cluster/two:v1");
      const before = await snapshotsOf(containerd);
      const id = (await containerd.images()).find((name) => name.startsWith("sha256:"));
      assert.ok(id);
      const gone = (await containerd.images(`target.digest==${digest}`)).concat();
      assert.ok(gone.includes(ref) && gone.length === 3, gone.join(", "));
      await containerd.ctr("images", "rm", "--sync", ...gone);
      await checkComplete(
        containerd,
        early().filter((image) => image.ref !== ref),
      );
      assert.equal((await snapshotsOf(containerd)).length, before.length - 1);
      // It can be pulled again: nothing half of it is in the way.
      await importInto(containerd, [world.image("cluster/two:v1")]);
      await checkComplete(containerd, early());
    } finally {
      await containerd[Symbol.asyncDispose]();
    }
  });

  it("is closed to other users where containerd closes it", async () => {
    const [ours, theirs] = [await world.scratch(), await world.scratch()];
    await fillStore(ours, early());
    const imported = await Containerd.start(theirs);
    await importInto(imported, early().slice(0, 1));
    await imported[Symbol.asyncDispose]();
    for (const path of [
      ...CONTAINERD_DATABASES,
      "io.containerd.content.v1.content/blobs/sha256",
      "io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs",
      "io.containerd.snapshotter.v1.overlayfs/snapshots/1/work",
    ]) {
      for (let part = path; part !== "."; part = join(part, "..")) {
        const [own, other] = await Promise.all([ours, theirs].map((folder) => modeOf(folder, part)));
        assert.equal(own, other, part);
      }
    }
  });

  it("is left to containerd where its databases are of another kind", async () => {
    const folder = await world.scratch();
    const fetched = await world.fetch(early().slice(0, 1), { store });
    await fillStore(folder, early().slice(0, 1));
    const { metadata, snapshots } = await databasesOf(folder);
    // `version` in bucket `v1`, a number of Go's kind: 3 is written as 6.
    const at = metadata.indexOf(Buffer.from("version\x06", "latin1"));
    assert.ok(at > 0);
    metadata[at + "version".length] = 2 * 9;
    assert.equal(await writeStoreDisk(fetched, { metadata, snapshots }, { store, signal, journal }), undefined);
    const [warning] = journal.events.flatMap((event) => (event.type === "warning" ? [event.detail] : []));
    assert.match(warning ?? "", /meta\.db is of version 9; containerd imports the images itself/);
  });

  /** Everything in an image, mounted: path, kind, mode, owner, size and digest of each file. */
  async function treeOf(containerd: Containerd, ref: string): Promise<string> {
    const folder = await world.scratch();
    await containerd.ctr("images", "mount", ref, folder);
    try {
      const script = [
        "find . -printf '%P %y %m %U:%G %s %l\\n' | sed 's/ d \\([0-9]*\\) \\([0-9:]*\\) [0-9]*/ d \\1 \\2/' | LC_ALL=C sort",
        "find . -type f -exec sha256sum {} + | LC_ALL=C sort",
      ].join("; ");
      return await runProgram(["sh", "-c", script], { signal, timeoutMs: 60_000, cwd: folder });
    } finally {
      await containerd.ctr("images", "unmount", "--rm", folder);
    }
  }

  /** Names and parents of committed snapshots. */
  async function snapshotsOf(containerd: Containerd): Promise<readonly string[]> {
    const lines = (await containerd.ctr("snapshots", "ls")).trim().split("\n").slice(1);
    return lines
      .filter((line) => /committed/i.test(line))
      .map((line) => line.replace(/\s+/g, " ").trim())
      .sort();
  }

  async function modeOf(folder: string, path: string): Promise<string> {
    return ((await stat(join(Containerd.root(folder), path))).mode & 0o7777).toString(8);
  }
});
