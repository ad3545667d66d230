import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defineEnvironment } from "../../src/core/environment.ts";
import { runProgram } from "../../src/host/program.ts";
import { writeImageDisk } from "../../src/images/image-disk.ts";
import { writeRegistriesConf } from "../../src/images/registries-conf.ts";
import { resolveImage } from "../../src/images/resolve-image.ts";
import type { Store } from "../../src/store/store.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";
import { staticServer } from "../world/static-server.ts";
import { ImagesWorld, signal } from "./images-world.ts";

const CONTENT = [
  { name: "cluster/one:v1", layers: ["base", "one"] },
  { name: "cluster/two:v1", layers: ["base", "two"] },
  { name: "cluster/both:v1", layers: ["base", "both"], platforms: "index" },
  { name: "cluster/docker:v1", layers: ["base", "docker"], format: "v2s2" },
  { name: "cluster/plain:v1", layers: ["plain"], plain: true },
] as const;

/** Every blob of a store has the bytes of its name. @returns how many there are. */
async function soundBlobs(store: Store): Promise<number> {
  const folder = join(store.root, "blobs/sha256");
  const names = await readdir(folder);
  for (const name of names) {
    assert.equal(
      createHash("sha256")
        .update(await readFile(join(folder, name)))
        .digest("hex"),
      name,
    );
  }
  return names.length;
}

describe("images of a registry", function () {
  this.timeout(120_000);
  let world: ImagesWorld;

  before(async () => {
    world = await ImagesWorld.start(CONTENT);
  });
  after(() => world[Symbol.asyncDispose]());
  afterEach(() => world.registry.gate.reset());

  it("resolve to digests, with the bytes of each platform", async () => {
    const { ref } = world.image("cluster/both:v1");
    const resolved = await resolveImage(ref, { access: world.access, signal });
    assert.deepEqual(Object.keys(resolved.platforms), ["amd64", "arm64"]);
    assert.notEqual(resolved.platforms.amd64?.manifest, resolved.digest);
    const byDigest = await resolveImage(`${ref.replace(/:v1$/, "")}@${resolved.digest}`, {
      access: world.access,
      signal,
    });
    assert.deepEqual(byDigest, resolved);
    const single = await resolveImage(world.image("cluster/docker:v1").ref, { access: world.access, signal });
    assert.equal(single.platforms.amd64?.manifest, single.digest);
    assert.deepEqual(Object.keys(single.platforms), ["amd64"]);
  });

  it("that are not for any wanted architecture are missing", async () => {
    const { ref } = world.image("cluster/one:v1");
    await assert.rejects(resolveImage(ref, { access: world.access, signal, arches: ["s390x"] }), {
      code: "image-missing",
      message: /cluster\/one:v1: .* not for linux on s390x/,
    });
  });

  it("come into the store whole, in the bytes of their digests, whatever their format", async () => {
    const store = await world.store();
    const fetched = await world.fetch([...world.images.values()], { store });
    const blobs = new Set(fetched.flatMap((image) => image.blobs.map(({ digest }) => digest)));
    assert.equal(await soundBlobs(store), blobs.size);
    for (const digest of blobs) assert.ok(await store.hasBlob(digest), digest);
    assert.deepEqual(await readdir(join(store.root, "partial")), []);
    const docker = fetched.find(({ image }) => image.ref.includes("docker"));
    assert.equal(docker?.top.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  });

  it("share layers, which are fetched once, also by two builds at a time", async () => {
    const store = await world.store();
    const images = [world.image("cluster/one:v1"), world.image("cluster/two:v1")];
    const [first] = await Promise.all([world.fetch(images, { store }), world.fetch([...images].reverse(), { store })]);
    const blobs = new Set(first.flatMap((image) => image.blobs.map(({ digest }) => digest)));
    for (const digest of blobs) {
      const times = world.registry.gate.blobRequests(digest);
      assert.ok(times <= 1, `${digest} was fetched ${String(times)} times`);
    }
    const before = world.registry.gate.requests.length;
    await world.fetch(images, { store });
    assert.equal(world.registry.gate.requests.length, before, "what the store has is not asked for");
  });

  it("make a disk that holds every blob once and names each image by tag and by digest", async () => {
    const store = await world.store();
    const journal = new RecordingJournal();
    const fetched = await world.fetch([...world.images.values()], { store, journal });
    const disk = await writeImageDisk(fetched, { store, signal, journal });
    assert.equal(disk.bytes % 512, 0);
    const inside = (path: string): Promise<string> =>
      runProgram(["tar", "-xOf", disk.path, path], { signal, timeoutMs: 30_000 });
    const { manifests } = JSON.parse(await inside("index.json")) as {
      manifests: Record<string, Record<string, string>>[];
    };
    const names = new Map(manifests.map((each) => [each["annotations"]?.["io.containerd.image.name"], each["digest"]]));
    assert.equal(names.size, 2 * fetched.length);
    for (const { image, blobs } of fetched) {
      assert.equal(names.get(image.ref), image.digest);
      assert.equal(names.get(`${image.ref.replace(/:v1$/, "")}@${image.digest}`), image.digest);
      for (const { digest } of blobs.slice(0, 2)) {
        const raw = await inside(`blobs/${digest.replace(":", "/")}`);
        assert.equal(`sha256:${createHash("sha256").update(raw).digest("hex")}`, digest);
      }
    }
    const listed = (await runProgram(["tar", "-tf", disk.path], { signal, timeoutMs: 30_000 })).trim().split("\n");
    assert.equal(new Set(listed).size, listed.length);
    const last = journal.of("transfer").findLast(({ name }) => name === "container images");
    assert.equal(last?.doneBytes, last?.totalBytes);
    await disk[Symbol.asyncDispose]();
    assert.deepEqual(
      (await readdir(join(store.root, "tmp/test"))).filter((name) => name.startsWith("image-disk")),
      [],
    );
  });

  it("whose stored bytes are damaged stop the disk, and are fetched anew", async () => {
    const store = await world.store();
    const images = [world.image("cluster/one:v1")];
    const [fetched] = await world.fetch(images, { store });
    const layer = fetched?.blobs.at(-1)?.digest ?? "sha256:";
    const path = store.blobPath(layer);
    await runProgram(["chmod", "u+w", path], { signal, timeoutMs: 5_000 });
    await writeFile(path, "other bytes");
    const journal = new RecordingJournal();
    await assert.rejects(writeImageDisk(fetched ? [fetched] : [], { store, signal, journal }), {
      code: "digest-mismatch",
    });
    const again = await world.fetch(images, { store });
    await (await writeImageDisk(again, { store, signal, journal }))[Symbol.asyncDispose]();
  });

  it("come from a mirror under another name, and from the registry itself where that has none", async () => {
    const { gate } = world.registry;
    const { digest, manifest } = world.image("cluster/both:v1");
    const environment = defineEnvironment({
      registries: { "registry.example": [{ location: `${gate.host}/cluster` }] },
    });
    const access = { ...world.access, ...(await writeRegistriesConf(environment, await world.scratch())) };
    const source = { kind: "registries", access } as const;
    const image = { ref: "registry.example/both:v1", digest, manifest };
    await world.fetch([image], { store: await world.store(), source });
    assert.ok(
      gate.requests.every((line) => line.startsWith("GET /v2/cluster/both/") || line === "GET /v2/"),
      "asked elsewhere",
    );
    assert.deepEqual((await resolveImage(image.ref, { access, signal })).digest, digest);

    const other = { registries: { [gate.host]: [{ location: `${gate.host}/nobody` }] } };
    const fallback = {
      ...world.access,
      ...(await writeRegistriesConf(defineEnvironment(other), await world.scratch())),
    };
    await world.fetch([world.image("cluster/one:v1")], {
      store: await world.store(),
      source: { kind: "registries", access: fallback },
    });
    assert.ok(gate.requests.some((line) => line.includes("/v2/nobody/cluster/one/")));
  });

  it("come from a folder of files as well, and then nothing else is asked", async () => {
    const filled = await world.store();
    const images = [...world.images.values()];
    await world.fetch(images, { store: filled });
    const folder = await world.scratch();
    await mkdir(join(folder, "images"));
    await cp(join(filled.root, "blobs"), join(folder, "images/blobs"), { recursive: true });
    world.registry.gate.reset();
    const server = await staticServer(folder);
    try {
      const source = { kind: "layout", url: `${server.url}/images`, tuning: { backoffMs: 5 } } as const;
      const store = await world.store();
      await world.fetch(images, { store, source });
      assert.equal(await soundBlobs(store), await soundBlobs(filled));
      assert.deepEqual(world.registry.gate.requests, []);

      const missing = { ...world.image("cluster/one:v1"), digest: `sha256:${"0".repeat(64)}` } as const;
      await assert.rejects(world.fetch([missing], { store, source }), {
        code: "image-missing",
        message: /cluster\/one:v1: /,
      });
      const { digest } = world.image("cluster/two:v1");
      await writeFile(join(folder, "images/blobs", digest.replace(":", "/")), "{}", { mode: 0o644 }).catch(
        () => undefined,
      );
      await assert.rejects(world.fetch([world.image("cluster/two:v1")], { store: await world.store(), source }), {
        code: "digest-mismatch",
        message: /cluster\/two:v1: /,
      });
    } finally {
      await server[Symbol.asyncDispose]();
    }
    await assert.rejects(
      world.fetch([world.image("cluster/one:v1")], {
        store: await world.store(),
        source: { kind: "layout", url: `${server.url}/images`, tuning: { backoffMs: 5 } },
      }),
      { code: "registry-failed", message: /cluster\/one:v1: / },
    );
  });
});
