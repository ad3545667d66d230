import assert from "node:assert/strict";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { bounded } from "../../src/core/bounded.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import { startAws, type AwsCounterpart } from "../counterparts/aws/start-aws.ts";
import { makeDisk, Publishing, releaseBuild, scratch, type Blocks } from "./aws-publishing.ts";
import { badRequests, sameShape } from "./aws-readings.ts";
import type { AwsSetup } from "./publish-aws-setup.ts";
import { drive, type DriverInput, type DriverOutcome } from "./publish-driver.ts";

const DRIVER = fileURLToPath(new URL("publish-driver.ts", import.meta.url));
const SETUP = fileURLToPath(new URL("publish-aws-setup.ts", import.meta.url));
const TARGET = { regions: ["eu-west-1", "eu-west-2"], public: true, ssmPrefix: "/kvci" };
const FIRST: Blocks = Object.fromEntries(Array.from({ length: 24 }, (_, index) => [index, "a"]));
const NEXT: Blocks = { ...FIRST, ...Object.fromEntries(Array.from({ length: 20 }, (_, index) => [index, "b"])) };
const SHOWING = new Set(["image-public", "snapshot-public", "parameter-set", "image-deprecated"]);

/** A counterpart that has the first release, and the store that it was published from. */
interface World {
  readonly aws: AwsCounterpart;
  readonly storeRoot: string;
  /** Events until now are the first release's. */
  readonly from: number;
}

describe("publishing to AWS, killed", function () {
  this.timeout(600_000);
  let folder: string;
  let remove: () => Promise<void>;
  let builds: string;

  before(async () => {
    ({ folder, remove } = await scratch());
    const first = releaseBuild(await makeDisk(folder, { name: "first", blocks: FIRST, count: 32 }));
    const next = await makeDisk(folder, { name: "next", blocks: NEXT, count: 32 });
    builds = join(folder, "builds.json");
    await writeFile(builds, JSON.stringify([releaseBuild({ ...next, version: "2.0" })]));
    const aws = await startAws({ folder: join(folder, "cloud") });
    await (await Publishing.start(aws, join(folder, "store"), TARGET)).publish([first]);
    await aws.close();
  });
  after(() => remove());

  const world = async (name: string): Promise<World> => {
    const cloud = join(folder, `cloud-${name}`);
    const storeRoot = join(folder, `store-${name}`);
    await cp(join(folder, "cloud"), cloud, { recursive: true });
    await cp(join(folder, "store"), storeRoot, { recursive: true });
    const aws = await startAws({ folder: cloud });
    return { aws, storeRoot, from: aws.events.length };
  };

  const inputOf = ({ aws, storeRoot }: World): DriverInput => {
    const own: AwsSetup = { env: aws.env, target: TARGET, builds, storeRoot };
    return { setup: SETUP, input: own as unknown as JsonValue, storeRoot };
  };

  /** In a process of its own. @returns whether it was killed. */
  const runKilled = async (where: World, killAfter: number): Promise<boolean> => {
    const input: DriverInput = { ...inputOf(where), killAfter };
    // Dozens of processes of the same code: compiled once, they take half the time.
    const env = { NODE_COMPILE_CACHE: join(folder, "compiled") };
    const ended = await execa(process.execPath, [DRIVER, JSON.stringify(input)], { reject: false, env });
    assert.ok(ended.signal === "SIGKILL" || ended.exitCode === 0, ended.stderr);
    return ended.signal === "SIGKILL";
  };

  /** In this process: it knows no more of the killed one than its ledger says. */
  const run = (where: World): Promise<DriverOutcome> => drive(inputOf(where));

  /** Nothing that others can see changed before everything was there, and everything was made once. */
  const assertOnceAndInOrder = ({ aws, from }: World): void => {
    const events = aws.events.slice(from);
    const firstShown = events.findIndex(({ kind }) => SHOWING.has(kind));
    const lastCopied = events.findLastIndex(({ kind }) => kind === "image-copied");
    assert.ok(firstShown === -1 || firstShown > lastCopied, "shown before the last copy was there");
    const made = (kind: string): number => events.filter((event) => event.kind === kind).length;
    const counts = ["snapshot-started", "image-registered", "image-copied", "image-public"].map(made);
    counts.forEach((count, index) => assert.ok(count <= [1, 1, 2, 3][index]!, `made too often: ${String(counts)}`));
    assert.ok(!events.some(({ kind }) => /deleted|deregistered|private/.test(kind)), "something was taken away");
  };

  it("comes to the same end after a kill -9 behind every line of its ledger", async () => {
    const untouched = await world("whole");
    const whole = await run(untouched);
    assert.equal(whole.error, null);
    const wanted = sameShape(untouched.aws);
    assertOnceAndInOrder(untouched);
    await untouched.aws.close();
    const kills = Array.from({ length: whole.appends }, (_, index) => index + 1);
    const same = await bounded(kills, 4, async (killAfter) => {
      const where = await world(`after-${killAfter}`);
      assert.ok(await runKilled(where, killAfter), `not killed after ${killAfter}`);
      assertOnceAndInOrder(where);
      assert.equal((await run(where)).error, null, `killed after ${killAfter}`);
      assert.deepEqual(sameShape(where.aws), wanted, `killed after ${killAfter}`);
      assertOnceAndInOrder(where);
      assert.deepEqual(badRequests(where.aws), []);
      const again = await run(where);
      await where.aws.close();
      return again.steps === 0;
    });
    const good = same.filter(Boolean).length;
    process.stdout.write(
      `      killed after each of ${whole.appends} ledger writes: ${good} of ${kills.length} the same in the end\n`,
    );
    assert.equal(good, kills.length);
  });
});
