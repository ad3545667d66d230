import assert from "node:assert/strict";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { DEFAULT_REGIONS, startAws, type AwsCounterpart, type AwsOptions } from "../counterparts/aws/start-aws.ts";
import { makeDisk, Publishing, releaseBuild, scratch, type Blocks } from "./aws-publishing.ts";
import { assertPublished, badRequests, puts, shape, snapshotDigest } from "./aws-readings.ts";

const HOME = "us-east-1";
const TWENTY = DEFAULT_REGIONS.slice(0, 20);
const FIRST: Blocks = { 1: "a", 2: "b", 3: "c", 40: "d", 100: "e" };

describe("AWS publisher", () => {
  let folder: string;
  let remove: () => Promise<void>;
  let build: ReleaseBuild;
  let aws: AwsCounterpart | undefined;

  before(async () => {
    ({ folder, remove } = await scratch());
    build = releaseBuild(await makeDisk(folder, { name: "first", blocks: FIRST, count: 128 }));
  });
  after(() => remove());
  afterEach(async () => {
    const bad = aws ? badRequests(aws) : [];
    await aws?.close();
    aws = undefined;
    assert.deepEqual(bad, []);
  });
  const start = async (options: AwsOptions = {}) => (aws = await startAws({ delays: { copyMs: 100 }, ...options }));
  let count = 0;
  const store = () => `${folder}/store-${String((count += 1))}`;

  it("publishes to 20 regions, and then has nothing to do", async () => {
    const cloud = await start();
    const publishing = await Publishing.start(cloud, store(), {
      regions: [...TWENTY],
      public: true,
      accounts: ["210987654321"],
      ssmPrefix: "/kvci/{template}",
    });
    const { leftOut } = await publishing.publish([build]);
    assert.deepEqual(leftOut, []);
    const lastCopy = cloud.events.findLast(({ kind }) => kind === "image-copied");
    assert.deepEqual(
      cloud.publicBefore((event) => event === lastCopy),
      [],
    );
    for (const name of TWENTY) assertPublished(cloud, name);
    const published = await publishing.publisher.published([build], new AbortController().signal);
    assert.deepEqual(published.map(({ place }) => place).sort(), [...TWENTY].sort());
    assert.ok(published.every((image) => image.public && image.deprecateAt !== undefined));

    const before = cloud.mutatingCalls().length;
    const calls = cloud.calls.length;
    const again = await publishing.plan([build]);
    assert.deepEqual(again.steps, []);
    await publishing.apply(again);
    // Looking takes a handful of calls for each region; how long they take is the bench's affair.
    assert.ok(cloud.calls.length - calls <= TWENTY.length * 6 + 4, `${String(cloud.calls.length - calls)} calls`);
    assert.equal(cloud.mutatingCalls().length, before);
  });

  it("makes a snapshot whose blocks are the disk", async () => {
    const cloud = await start();
    await (await Publishing.start(cloud, store())).publish([build]);
    const [snapshot] = [...cloud.region(HOME).snapshots.keys()];
    const digest = await snapshotDigest(cloud, { region: HOME, id: snapshot!, bytes: build.virtualBytes });
    assert.equal(digest, build.content);
  });

  it("shows nothing to anybody before every required region has passed", async () => {
    const cloud = await start();
    const publishing = await Publishing.start(cloud, store(), { regions: TWENTY.slice(0, 5), public: true });
    await publishing.publish([build]);
    const calls = cloud.mutatingCalls();
    const firstShare = calls.findIndex(({ action }) => action.startsWith("Modify") && action.endsWith("Attribute"));
    const lastCopy = calls.findLastIndex(({ action }) => action === "CopyImage");
    assert.ok(lastCopy >= 0 && firstShare > lastCopy);
  });

  it("goes back to what there was", async () => {
    const cloud = await start();
    const before = shape(cloud);
    const publishing = await Publishing.start(cloud, store(), {
      regions: TWENTY.slice(0, 4),
      public: true,
      ssmPrefix: "/kvci",
    });
    await publishing.publish([build]);
    assert.notDeepEqual(shape(cloud), before);
    assert.ok((await publishing.rollBackAll()) > 10);
    assert.deepEqual(shape(cloud), before);
    assert.equal(await publishing.rollBackAll(), 0);
    // And there again: nothing is left of the tokens that stand for what is gone.
    await publishing.publish([build]);
    for (const name of TWENTY.slice(0, 4)) assertPublished(cloud, name);
  });

  it("sends no block twice when it goes on", async () => {
    const cloud = await start();
    const letters = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [index + 1, "x"]));
    const large = releaseBuild(await makeDisk(folder, { name: "large", blocks: letters, count: 128 }));
    const shared = store();
    const uploads = { start: 4, most: 4 };
    const stop = new AbortController();
    const stopping = await Publishing.start(cloud, shared, { ports: { uploads } });
    const watch = setInterval(() => {
      if (puts(cloud) >= 50) stop.abort();
    }, 1);
    await assert.rejects(stopping.publish([large], stop.signal), { code: "interrupted" });
    clearInterval(watch);
    const first = puts(cloud);
    assert.ok(first >= 50 && first < 80, `stopped after ${String(first)}`);
    await (await Publishing.start(cloud, shared, { ports: { uploads } })).publish([large]);
    // What was on its way when it stopped counts as not sent.
    assert.ok(puts(cloud) <= 101 + 4, `${String(puts(cloud))} sent in all`);
    assert.equal(cloud.region(HOME).snapshots.size, 1);
  });

  it("sends of the next release what is different, and of what is gone, zeros", async () => {
    const cloud = await start();
    const shared = store();
    await (await Publishing.start(cloud, shared)).publish([build]);
    const sent = puts(cloud);
    const disk = await makeDisk(folder, { name: "second", blocks: { ...FIRST, 3: "C", 40: "\0" }, count: 128 });
    const next = releaseBuild({ ...disk, version: "2.0" });
    const publishing = await Publishing.start(cloud, shared);
    await publishing.publish([next]);
    assert.equal(puts(cloud) - sent, 2);
    const images = [...cloud.region(HOME).images.values()];
    const second = images.find(({ name }) => name.includes("2.0"));
    const id = second?.mappings[0]?.Ebs?.SnapshotId ?? "";
    assert.equal(await snapshotDigest(cloud, { region: HOME, id, bytes: next.virtualBytes }), next.content);
  });

  it("deprecates the release before, moves the pointer, and puts both back", async () => {
    const cloud = await start();
    const declared = { public: true, ssmPrefix: "/kvci" };
    await (await Publishing.start(cloud, store(), declared)).publish([build]);
    const before = shape(cloud);
    const next = releaseBuild({ ...build, version: "2.0" });
    const publishing = await Publishing.start(cloud, store(), declared);
    await publishing.publish([next]);
    const home = cloud.region(HOME);
    const old = [...home.images.values()].find(({ name }) => name === "node-1.0-amd64");
    assert.ok((old?.deprecateMs ?? Infinity) < Date.now() + 10 * 60_000);
    const newest = [...home.images.values()].find(({ name }) => name === "node-2.0-amd64");
    assert.equal(home.parameters.get("/kvci/latest/amd64")?.versions.at(-1)?.value, newest?.id);
    // The old one again: it is whole, and nobody is moved back to it.
    assert.deepEqual((await publishing.plan([build])).steps, []);
    await publishing.rollBackAll();
    assert.deepEqual(shape(cloud), before);
  });

  it("takes and gives permissions as they are declared", async () => {
    const cloud = await start();
    const shared = store();
    await (await Publishing.start(cloud, shared, { public: true })).publish([build]);
    const narrow = await Publishing.start(cloud, shared, { accounts: ["111111111111", "222222222222"] });
    await narrow.publish([build]);
    const [image] = [...cloud.region(HOME).images.values()];
    assert.equal(image?.sharing.public, false);
    assert.deepEqual([...image.sharing.users], ["111111111111", "222222222222"]);
    const [snapshot] = [...cloud.region(HOME).snapshots.values()];
    assert.deepEqual([...snapshot!.sharing.users], ["111111111111", "222222222222"]);
  });

  it("never overwrites what has the name and is something else", async () => {
    const cloud = await start();
    await (await Publishing.start(cloud, store())).publish([build]);
    const disk = await makeDisk(folder, { name: "other", blocks: { 1: "z" }, count: 8 });
    const publishing = await Publishing.start(cloud, store());
    await assert.rejects(publishing.plan([releaseBuild(disk)]), { code: "publish-conflict" });
  });

  it("collects what is superseded beyond what is kept, and nothing else", async () => {
    const cloud = await start();
    const shared = store();
    for (const version of ["1.0", "2.0", "3.0"]) {
      await (await Publishing.start(cloud, shared)).publish([releaseBuild({ ...build, version })]);
    }
    const later = await Publishing.start(cloud, shared, { keep: 1, ports: { now: () => Date.now() + 3_600_000 } });
    const { signal } = new AbortController();
    const garbage = await later.publisher.garbage(signal);
    assert.deepEqual(
      garbage.map(({ what }) => what),
      ["image node-1.0-amd64"],
    );
    for (const item of garbage) await later.publisher.collect(item, signal);
    const names = [...cloud.region(HOME).images.values()].map(({ name }) => name);
    assert.deepEqual(names.sort(), ["node-2.0-amd64", "node-3.0-amd64"]);
    assert.deepEqual(await later.publisher.garbage(signal), []);
  });
});
