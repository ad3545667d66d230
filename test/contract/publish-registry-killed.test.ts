import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { bounded } from "../../src/core/bounded.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import type { RegistryFront } from "../counterparts/registry/registry-front.ts";
import { scratchFolder } from "../src/oci/small-image.ts";
import { oras } from "./oras.ts";
import { layerFiles, publishableBuild } from "./publish-build.ts";
import { drive, type DriverInput, type DriverOutcome } from "./publish-driver.ts";
import { setup, type RegistrySetup } from "./publish-registry-setup.ts";
import { makePublishPlan, type PublishPlan } from "../../src/publish/plan.ts";
import { RegistryTestWorld } from "./registry-world.ts";

const DRIVER = fileURLToPath(new URL("publish-driver.ts", import.meta.url));
const SETUP = fileURLToPath(new URL("publish-registry-setup.ts", import.meta.url));

describe("publishing to a registry, killed", function () {
  this.timeout(900_000);
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let world: RegistryTestWorld;
  let front: RegistryFront;
  let program: string;
  let builds: string;

  before(async () => {
    program = await oras(new AbortController().signal);
    scratch = await scratchFolder();
    world = await RegistryTestWorld.start(scratch.path);
    [front] = world.fronts;
    const files = await layerFiles(join(scratch.path, "files"), { base: 300_000, own: 50_000 });
    const chain = Object.values(files);
    const all = [
      await publishableBuild({ folder: join(scratch.path, "amd64"), chain }),
      await publishableBuild({ folder: join(scratch.path, "arm64"), chain: [...chain].reverse(), arch: "arm64" }),
    ];
    builds = join(scratch.path, "builds.json");
    await writeFile(builds, JSON.stringify(all));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await scratch.remove();
  });

  const setupOf = (name: string): RegistrySetup => ({
    repositories: [`${front.host}/killed/${name}`],
    floatingTags: ["latest"],
    builds,
    storeRoot: join(scratch.path, `store-${name}`),
    authFile: world.authFile,
    certificate: world.certificate,
    oras: program,
  });
  const inputOf = (name: string): DriverInput => {
    const given = setupOf(name);
    return { setup: SETUP, input: given as unknown as JsonValue, storeRoot: given.storeRoot };
  };
  /** Runs the driver in a process, on a repository of its own. @returns undefined when it was killed. */
  const driveApart = async (name: string, killAfter?: number): Promise<DriverOutcome | undefined> => {
    const input: DriverInput = { ...inputOf(name), ...(killAfter === undefined ? {} : { killAfter }) };
    // Every process reads the same sources: what Node made of them is kept for the next.
    const env = { NODE_COMPILE_CACHE: join(scratch.path, "compiled") };
    const ended = await execa(process.execPath, [DRIVER, JSON.stringify(input)], { reject: false, env });
    if (ended.signal === "SIGKILL") return undefined;
    assert.equal(ended.exitCode, 0, ended.stderr);
    return JSON.parse(ended.stdout) as DriverOutcome;
  };

  const planOf = async (name: string): Promise<PublishPlan> => {
    const { publishers, builds: all } = await setup(setupOf(name) as unknown as JsonValue);
    return makePublishPlan(all, publishers, new AbortController().signal);
  };

  it("comes to the same end after a kill -9 behind every line of its ledger", async () => {
    const whole = await drive(inputOf("whole"));
    assert.equal(whole.error, null);
    const wanted = await world.tags(front, "killed/whole");
    assert.deepEqual(
      Object.keys(wanted).filter((tag) => !tag.startsWith("sha256-")),
      ["1.0", "latest"],
    );
    const kills = Array.from({ length: whole.appends }, (_, index) => index + 1);
    const same = await bounded(kills, 2, async (killAfter) => {
      const name = `after-${killAfter}`;
      assert.equal(await driveApart(name, killAfter), undefined, `not killed after ${killAfter}`);
      const between = await world.tags(front, `killed/${name}`);
      // A tag that is there early would stand for something that nobody has read back.
      if ("1.0" in between) assert.deepEqual({ ...wanted, ...between }, wanted);
      // What went on is in the ledger and the registry alone, so whoever reads them may go on in any process.
      assert.equal((await drive(inputOf(name))).error, null);
      // Tags tell of all: the index, and by the tag scheme every document that is attached, each once.
      assert.deepEqual(await world.tags(front, `killed/${name}`), wanted, `killed after ${killAfter}`);
      return (await planOf(name)).steps.length === 0;
    });
    const good = same.filter(Boolean).length;
    process.stdout.write(
      `      killed after each of ${whole.appends} ledger writes: ${good} of ${kills.length} the same in the end\n`,
    );
    assert.equal(good, kills.length);
  });

  it("comes to one end when two publish the same at once", async () => {
    const [first, second] = await Promise.all([driveApart("both"), driveApart("both")]);
    assert.deepEqual([first?.error, second?.error], [null, null]);
    const tags = await world.tags(front, "killed/both");
    assert.deepEqual(Object.values(tags).sort(), Object.values(await world.tags(front, "killed/whole")).sort());
  });
});
