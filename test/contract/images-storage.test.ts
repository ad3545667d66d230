import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FILL_CONTAINERS_STORAGE, RUNTIMES } from "../../builders/qemu/image-scripts.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { runProgram } from "../../src/host/program.ts";
import { writeImageDisk } from "../../src/images/image-disk.ts";
import { ImagesWorld, signal } from "./images-world.ts";

const CONTENT = [
  { name: "cluster/one:v1", layers: ["base", "one"] },
  { name: "cluster/both:v1", layers: ["base", "both"], platforms: "index" },
  { name: "cluster/docker:v1", layers: ["base", "docker"], format: "v2s2" },
] as const;

/** The guest's own script, on this host and in a store of the test's: Debian has no package of CRI-O. */
describe("store of CRI-O", function () {
  this.timeout(120_000);
  let world: ImagesWorld;

  before(async () => {
    world = await ImagesWorld.start(CONTENT);
  });
  after(() => world[Symbol.asyncDispose]());

  it("takes every image of a disk in, under tag and digest, in whatever format", async () => {
    const store = await world.store();
    const images = [...world.images.values()];
    const disk = await writeImageDisk(await world.fetch(images, { store }), { store, signal, journal: silentJournal });
    const env = await storageOf(await world.scratch());
    const lines = images.map(({ ref, digest, manifest }) => ({ ref, digest, manifest }));
    const stdin = (names: (ref: string, digest: string) => readonly string[]): string =>
      lines
        .flatMap(({ ref, digest, manifest }) => names(ref, digest).map((name) => `${name} ${digest} ${manifest}\n`))
        .join("");
    const script = `arch=amd64 disk='${disk.path}'\n${FILL_CONTAINERS_STORAGE}`;
    await runProgram(["sh", "-c", script], { signal, timeoutMs: 60_000, env, stdin: stdin((ref) => [ref]) });
    const names = (ref: string, digest: string): readonly string[] => [ref, `${ref.replace(/:v1$/, "")}@${digest}`];
    const listed = await runProgram(["sh", "-c", RUNTIMES["cri-o"].listing], {
      signal,
      timeoutMs: 60_000,
      env,
      stdin: stdin(names),
    });
    const found = new Map(
      listed
        .trim()
        .split("\n")
        .map((line) => [line.split(" ")[0], line.split(" ")[1]]),
    );
    for (const { ref, digest, manifest } of lines) {
      for (const name of names(ref, digest)) {
        const got = found.get(name);
        assert.ok(got === digest || got === manifest, `${name}: ${String(got)}`);
      }
    }
    const left = (await readdir("/var/tmp")).filter((name) => name.startsWith("kvci-build-images."));
    assert.deepEqual(left, []);
  });
});

/** A store of containers-storage in a folder, without overlays of the kernel's. */
async function storageOf(folder: string): Promise<Record<string, string>> {
  const path = join(folder, "storage.conf");
  await mkdir(join(folder, "root"));
  const conf = ["[storage]", 'driver = "vfs"', `graphroot = "${folder}/root"`, `runroot = "${folder}/run"`, ""];
  await writeFile(path, conf.join("\n"));
  return { CONTAINERS_STORAGE_CONF: path };
}
