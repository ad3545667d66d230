import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KvciError } from "../../src/core/error.ts";
import { rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import { dataExtents } from "../../publishers/gcp/data-extents.ts";
import { tarball } from "../../publishers/gcp/tarball.ts";
import { releaseBuild } from "../src/publish/release-build.ts";
import { GcpWorld, makeDisk, MIB, VIRTUAL_BYTES } from "./gcp-world.ts";

const { signal } = new AbortController();
const NAME = "node-1-31-2-amd64";
const EXPORT = { object: "release/{template}-{version}-{arch}.tar.gz", public: true };

async function digestOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of stream) hash.update(piece);
  return hash.digest("hex");
}

describe("publishing to Google Cloud", () => {
  let folder: string;
  let disk: { readonly raw: string; readonly qcow2: string };
  let world: GcpWorld;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-publish-gcp-"));
    disk = await makeDisk(folder);
  });
  after(() => rm(folder, { recursive: true }));
  beforeEach(async () => (world = await GcpWorld.start(disk.qcow2)));
  afterEach(async () => {
    const { violations } = world.gcp;
    await world[Symbol.asyncDispose]();
    assert.deepEqual(violations, []);
  });

  it("makes an image whose disk is that of the build, and leaves no upload behind", async () => {
    const publisher = await world.publisher({ public: true, export: EXPORT });
    await world.publish(publisher);
    const image = world.gcp.state.images.get(NAME);
    assert.equal(image?.status, "READY");
    assert.equal(image.diskGiB, 1);
    assert.equal(image.family, "node-amd64");
    assert.deepEqual([...world.gcp.bucket("kvci-bucket").objects.keys()], ["release/node-1.31.2-amd64.tar.gz"]);
    assert.deepEqual(world.uploaded(), { received: image.archiveBytes, kept: image.archiveBytes });
    // What the build does not have is zeros up to the next GiB.
    const expected = async function* (): AsyncGenerator<Uint8Array> {
      yield* createReadStream(disk.raw);
      for (let left = 1024 - VIRTUAL_BYTES / MIB; left > 0; left -= 1) yield Buffer.alloc(MIB);
    };
    assert.equal(await digestOf(world.gcp.rawDisk(NAME)), await digestOf(expected()));
  });

  it("shows nothing to others before everything is read back", async () => {
    await world.publish(await world.publisher({ public: true, export: EXPORT }));
    assert.deepEqual(
      world.gcp.events.map(({ kind }) => kind),
      ["image-made", "image-public", "object-public", "family-set"],
    );
    const exposing = world.gcp.calls.findIndex(({ name }) => name === "images.setIamPolicy");
    const verified = world.gcp.calls.findLastIndex(({ name }, index) => name === "images.get" && index < exposing);
    assert.ok(verified > world.gcp.calls.findIndex(({ name }) => name === "storage.objects.delete"));
  });

  it("changes nothing when everything is there", async () => {
    const publisher = await world.publisher({ public: true, export: EXPORT });
    await world.publish(publisher);
    const before = world.gcp.mutatingCalls().length;
    const { plan } = await world.publish(await world.publisher({ public: true, export: EXPORT }));
    assert.deepEqual(plan.steps, []);
    assert.equal(world.gcp.mutatingCalls().length, before);
  });

  it("goes back to what was, and can be done again", async () => {
    const publisher = await world.publisher({ public: true, export: EXPORT });
    await world.publish(publisher, { builds: [{ ...world.build, version: "1.31.1" }] });
    const former = [...world.gcp.state.images.entries()].map(([name, { family, deprecated }]) => [
      name,
      family,
      deprecated,
    ]);
    const objects = [...world.gcp.bucket("kvci-bucket").objects.keys()];
    const { run } = await world.publish(publisher);
    assert.equal(world.gcp.state.images.get("node-1-31-1-amd64")?.deprecated?.["state"], "DEPRECATED");
    await world.rollBack(run, publisher);
    assert.deepEqual(
      [...world.gcp.state.images.entries()].map(([name, { family, deprecated }]) => [name, family, deprecated]),
      former,
    );
    assert.deepEqual([...world.gcp.bucket("kvci-bucket").objects.keys()], objects);
    await world.publish(publisher);
    assert.equal(world.gcp.state.images.get(NAME)?.status, "READY");
  });

  it("deprecates what it supersedes, with what to use instead", async () => {
    const publisher = await world.publisher();
    await world.publish(publisher, { builds: [{ ...world.build, version: "1.31.1" }] });
    await world.publish(publisher);
    const former = world.gcp.state.images.get("node-1-31-1-amd64")?.deprecated;
    assert.equal(former?.["state"], "DEPRECATED");
    assert.match(String(former["replacement"]), new RegExp(`projects/kvci-project/global/images/${NAME}$`));
    const [published] = await publisher.published([world.build], signal);
    assert.deepEqual(published?.supersedes, ["projects/kvci-project/global/images/node-1-31-1-amd64"]);
    // The release that was superseded stays so when it is published again.
    const { plan } = await world.publish(publisher, { builds: [{ ...world.build, version: "1.31.1" }] });
    assert.deepEqual(plan.steps, []);
  });

  it("boots the private image before anybody else can, and only once", async () => {
    const booted: string[] = [];
    const smoke = ({ place, image }: { readonly place: string; readonly image: string }) => {
      assert.deepEqual(world.gcp.state.images.get(NAME)?.policy.bindings, []);
      booted.push(`${place} ${image}`);
      return Promise.resolve({ suite: "boot", checks: 3 });
    };
    const publisher = await world.publisher({ public: true, smokeZone: "us-central1-b" }, { smoke });
    await world.publish(publisher);
    const again = await world.publish(publisher);
    assert.deepEqual(booted, [`us-central1-b projects/kvci-project/global/images/${NAME}`]);
    assert.deepEqual(again.plan.steps, []);
  });

  it("shows nobody an image that fails its boot, and goes on from there", async () => {
    const zone = { public: true, export: EXPORT, smokeZone: "us-central1-b" };
    const smoke = () => Promise.reject(new KvciError("verification-failed", "it does not boot", { hint: "Look." }));
    await assert.rejects(world.publish(await world.publisher(zone, { smoke })), { code: "verification-failed" });
    assert.deepEqual(
      world.gcp.events.map(({ kind }) => kind),
      ["image-made"],
    );
    await world.publish(await world.publisher(zone, { smoke: () => Promise.resolve({ suite: "boot", checks: 3 }) }));
    assert.deepEqual(
      world.gcp.events.map(({ kind }) => kind),
      ["image-made", "image-public", "object-public", "family-set"],
    );
  });

  it("keeps the release file private unless it is declared public", async () => {
    await world.publish(await world.publisher({ export: { ...EXPORT, public: false } }));
    const file = () => world.gcp.bucket("kvci-bucket").objects.get("release/node-1.31.2-amd64.tar.gz");
    assert.deepEqual(file()?.readers, []);
    await world.publish(await world.publisher({ export: EXPORT }));
    assert.deepEqual(file()?.readers, ["allUsers"]);
  });

  it("leaves nothing of a first release that is rolled back", async () => {
    const publisher = await world.publisher({ public: true, export: EXPORT });
    const { run } = await world.publish(publisher);
    await world.rollBack(run, publisher);
    assert.deepEqual([...world.gcp.state.images.keys()], []);
    assert.deepEqual([...world.gcp.bucket("kvci-bucket").objects.keys()], []);
    const before = world.gcp.mutatingCalls().length;
    await world.rollBack(run, publisher);
    assert.equal(world.gcp.mutatingCalls().length, before);
  });

  it("refuses a name that stands for another disk, and touches nothing", async () => {
    await world.publish(await world.publisher());
    const other = releaseBuild({ ...world.build, content: `sha256:${"0".repeat(64)}` });
    const before = world.gcp.mutatingCalls().length;
    await assert.rejects(world.publish(await world.publisher(), { builds: [other] }), { code: "publish-conflict" });
    assert.equal(world.gcp.mutatingCalls().length, before);
  });

  it("gives exactly those the right who are declared", async () => {
    const members = ["group:users@example.org"];
    await world.publish(await world.publisher({ public: true, members }));
    const image = world.gcp.state.images.get(NAME);
    const foreign = { role: "roles/compute.viewer", members: ["user:auditor@example.org"] };
    if (image) image.policy = { ...image.policy, bindings: [...image.policy.bindings, foreign] };
    await world.publish(await world.publisher({ members }));
    assert.deepEqual(image?.policy.bindings, [foreign, { role: "roles/compute.imageUser", members }]);
  });

  it("finds what retention would remove, and removes it in two steps", async () => {
    let now = Date.now();
    const publisher = await world.publisher({ keep: 1 }, { now: () => now });
    for (const version of ["1", "2", "3", "4"]) {
      await world.publish(publisher, { builds: [{ ...world.build, version }] });
    }
    const first = await publisher.garbage(signal);
    assert.deepEqual(
      first.map(({ what }) => what),
      ["make image node-2-amd64 obsolete", "make image node-1-amd64 obsolete"],
    );
    for (const item of first) await publisher.collect(item, signal);
    assert.deepEqual(await publisher.garbage(signal), []);
    now += 8 * 86_400_000;
    for (const item of await publisher.garbage(signal)) await publisher.collect(item, signal);
    assert.deepEqual([...world.gcp.state.images.keys()], ["node-3-amd64", "node-4-amd64"]);
  });
});

describe("tarball for Compute Engine", () => {
  let folder: string;
  let disk: { readonly raw: string; readonly qcow2: string };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-tarball-"));
    disk = await makeDisk(folder);
  });
  after(() => rm(folder, { recursive: true }));

  const made = async (workers: number): Promise<string> => {
    const read = () => rawDisk(disk.qcow2, { signal });
    const content = `sha256:${await digestOf(read())}` as const;
    const path = join(folder, `${workers}.tar.gz`);
    const source = { read, virtualBytes: VIRTUAL_BYTES, extents: await dataExtents(read()), content, workers };
    await writeFile(path, tarball(source));
    return path;
  };

  it("is the same for one worker and for several", async () => {
    const [one, several] = [await made(1), await made(5)];
    assert.equal(await digestOf(createReadStream(one)), await digestOf(createReadStream(several)));
  });

  it("is unpacked by GNU tar to the disk of the build", async () => {
    const path = await made(2);
    const run = (argv: readonly [string, ...string[]]) => runProgram(argv, { signal, timeoutMs: 60_000, cwd: folder });
    const listed = await run(["tar", "-tvzf", path]);
    assert.match(listed, /^-rw-r--r-- 0\/0\s+1073741824 1970-01-01 00:00 disk\.raw\n$/);
    const unpacked = join(folder, "unpacked");
    await run(["mkdir", unpacked]);
    await run(["tar", "-xzf", path, "-C", unpacked]);
    await run(["truncate", "-s", String(VIRTUAL_BYTES), join(unpacked, "disk.raw")]);
    await run(["cmp", disk.raw, join(unpacked, "disk.raw")]);
  });

  it("is, unpacked, what GNU tar would have made", async () => {
    // By block, as holes of a file are found by GNU tar: 64 KiB are whole blocks of any file system.
    const padded = join(folder, "padded");
    const run = (argv: readonly [string, ...string[]]) => runProgram(argv, { signal, timeoutMs: 120_000, cwd: folder });
    await run(["mkdir", padded]);
    await run(["cp", "--sparse=always", disk.raw, join(padded, "disk.raw")]);
    await run(["truncate", "-s", "1G", join(padded, "disk.raw")]);
    const theirs = join(folder, "theirs.tar");
    const options = [
      "--format=oldgnu",
      "--sparse",
      "--mtime=@0",
      "--owner=:0",
      "--group=:0",
      "--numeric-owner",
      "--mode=644",
    ];
    await run(["tar", ...options, "-cf", theirs, "-C", padded, "disk.raw"]);
    const ours = join(folder, "ours.tar");
    await run(["sh", "-ec", 'gzip -dc "$1" > "$2"', "sh", await made(2), ours]);
    await run(["cmp", ours, theirs]);
  });
});
