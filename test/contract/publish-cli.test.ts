import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cost } from "../../src/publish/cost.ts";
import type { PublishPlan } from "../../src/publish/plan.ts";
import { cliBuild } from "./publish-cli-build.ts";
import { PublishCliWorld, type Ended } from "./publish-cli-world.ts";

/** Of processes that load the clouds' libraries, side by side with others. */
const MINUTE_MS = 60_000;

interface Status {
  readonly runs: readonly { readonly run: string; readonly outcome: string }[];
}

function json({ stdout, stderr }: Ended): unknown {
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

describe("kvci-build publish", function () {
  this.timeout(2 * MINUTE_MS);
  let world: PublishCliWorld;
  let all: string;
  /** Everything to everywhere, as one release. */
  const first = () => ["--env", all, "--release", "1.0"];

  before(async () => {
    world = await PublishCliWorld.start();
    await cliBuild({ folder: world.path("out/node/amd64") });
    all = await world.environment("all");
  });
  after(() => world[Symbol.asyncDispose]());

  it("says what it would do, does exactly that, and then has nothing to do", async () => {
    const planned = await world.run([...first(), "--no-smoke", "--plan", "--json"]);
    assert.equal(planned.status, 2, planned.stderr);
    assert.equal(world.mutations, 0);
    const plan = json(planned) as PublishPlan & { readonly cost: Cost };
    assert.deepEqual(plan.targets, ["aws", "gcp", "registry"]);
    assert.ok(plan.cost.unknown.includes("GiB sent"));
    await writeFile(world.path("plan.json"), planned.stdout);

    const applied = await world.run([...first(), "--no-smoke", "--apply", "plan.json", "--json"]);
    assert.equal(applied.status, 0, applied.stderr);
    assert.match(applied.stderr, /NOT BOOTED there, and shared with others nevertheless/);
    const images = await world.published();
    assert.deepEqual(
      images.map(({ target, place }) => `${target} ${place}`),
      ["aws eu-west-1", "aws eu-west-2", "aws us-east-1", "gcp us", `registry ${world.registry.fronts[0].host}`],
    );
    for (const { details, verification } of images) {
      const labels = details["labels"] as Record<string, string>;
      assert.deepEqual([labels["os"], labels["kubernetes"]], ["debian 12", "1.34.2-1.1"]);
      assert.deepEqual(
        verification?.map(({ suite, place, ok }) => [suite, place, ok]),
        [["boot", "qemu", true]],
      );
    }
    assert.match(await readFile(world.path("out", "images.md"), "utf8"), /\| aws \| eu-west-1 \| node-1\.0-amd64 \|/);

    const before = world.mutations;
    const again = await world.run([...first(), "--no-smoke", "--plan"]);
    assert.equal(again.status, 0, again.stderr);
    assert.match(
      again.stdout,
      /already there\n {2}aws +us-east-1 +ami-[^\n]+private[^]+nothing to do: everything is there/,
    );
    const stale = await world.run([...first(), "--no-smoke", "--apply", "plan.json"]);
    assert.equal(stale.status, 3);
    assert.match(stale.stderr, /no longer needed: aws\/us-east-1\/node-amd64\/upload-snapshot/);
    assert.equal(world.mutations, before);
  });

  it("takes a run back, last first, when somebody says so", async () => {
    const { runs } = json(await world.run(["status", "--json"])) as Status;
    assert.deepEqual(
      runs.map(({ outcome }) => outcome),
      ["published"],
    );
    const run = runs[0]?.run ?? "";
    const asked = await world.run(["rollback", run, "--env", all]);
    assert.equal(asked.status, 3);
    assert.match(asked.stderr, /say so with --yes/);
    assert.equal((await world.run(["rollback", `${run}x`, "--env", all, "--yes"])).status, 3);

    const taken = await world.run(["rollback", run, "--env", all, "--yes", "--json"]);
    assert.equal(taken.status, 0, taken.stderr);
    for (const region of ["us-east-1", "eu-west-1", "eu-west-2"]) {
      const { images, snapshots, parameters } = world.aws.region(region);
      assert.deepEqual([images.size, snapshots.size, parameters.size], [0, 0, 0], region);
    }
    assert.equal(world.gcp.state.images.size, 0);
    assert.deepEqual(await world.published(), []);
    const status = await world.run(["status", run]);
    assert.match(status.stdout, new RegExp(`run ${run}: rolled-back\n`));
    assert.match(status.stdout, /undone +aws +us-east-1 +register/);
  });

  it("goes on where Ctrl-C stopped it, by the command that it tells", async () => {
    world.aws.faults.add({ kind: "slow", action: "PutSnapshotBlock", times: "always", delayMs: 1_500 });
    const args = ["--env", all, "--release", "2.0", "--target", "aws", "--no-smoke", "--yes"];
    const running = world.start(args);
    const puts = () => world.aws.calls.filter(({ action }) => action === "PutSnapshotBlock").length;
    const before = puts();
    const early = running.end.then(({ stderr }) => assert.fail(`ended without an upload: ${stderr}`));
    early.catch(() => undefined);
    while (puts() === before) await Promise.race([sleep(20), early]);
    running.kill("SIGINT");
    const stopped = await running.end;
    assert.equal(stopped.status, 130, stopped.stderr);
    assert.match(stopped.stderr, /stopped by SIGINT/);
    const told = /Go on with: kvci-build publish ([^\n]+)/.exec(stopped.stderr.replace(/\n {2,}/g, " "))?.[1];
    assert.ok(told !== undefined && told.endsWith("--yes --resume"), stopped.stderr);
    const { runs } = json(await world.run(["status", "--json"])) as Status;
    assert.equal(runs.at(-1)?.outcome, "interrupted");

    world.aws.faults.clear();
    const resumed = await world.run(told.split(" "));
    assert.equal(resumed.status, 0, resumed.stderr);
    for (const region of ["us-east-1", "eu-west-1", "eu-west-2"]) {
      const { images, snapshots } = world.aws.region(region);
      assert.deepEqual([images.size, snapshots.size], [1, 1], region);
    }
  });

  it("makes nothing public that was not verified, or not booted there", async () => {
    const [aws, gcp] = world.targets;
    const open = await world.environment("open", [
      { ...aws, kind: "aws", public: true, accounts: [] },
      { ...gcp, kind: "gcp", project: "kvci-project", bucket: "kvci-bucket", public: true },
    ]);
    await cliBuild({ folder: world.path("other/new/amd64"), template: "new", verified: "never" });
    await cliBuild({ folder: world.path("other/bad/amd64"), template: "bad", verified: "failed" });
    const before = world.mutations;
    const args = ["--env", open, "--release", "3.0", "--yes"];
    const [never, failed, unverified, unbooted, zoneless] = await Promise.all([
      world.run(["other/new/amd64", "--env", all, "--yes", "--target", "registry"]),
      world.run(["other/bad/amd64", "--env", all, "--yes", "--unverified", "--target", "registry"]),
      world.run(["other/new/amd64", ...args, "--unverified", "--target", "aws"]),
      world.run([...args, "--no-smoke", "--target", "aws"]),
      world.run([...args, "--target", "gcp"]),
    ]);
    assert.deepEqual(
      [never, failed, unverified, unbooted, zoneless].map(({ status }) => status),
      [7, 7, 7, 7, 7],
    );
    assert.match(never.stderr, /new amd64: verification: there is no result for its disk/);
    assert.match(failed.stderr, /it failed its boot checks on qemu/);
    assert.match(unverified.stderr, /and aws is public/);
    assert.match(unbooted.stderr, /would become public without having been booted there[^]+Leave --no-smoke out/);
    assert.match(zoneless.stderr, /Give the target a smokeZone/);
    assert.equal(world.mutations, before);

    const unbootable = await world.run([...args, "--target", "aws"]);
    assert.equal(unbootable.status, 14, unbootable.stderr);
    assert.match(unbootable.stderr, /no room/);
    assert.ok(!world.aws.events.some(({ kind }) => kind.endsWith("-public")));
  });

  it("tells what is wrong with targets and credentials, each with its own status", async () => {
    const none = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", AWS_SESSION_TOKEN: "" };
    const [misspelt, nobody, stranger, misplaced, alone] = await Promise.all([
      world.run([...first(), "--target", "registri", "--plan"]),
      world.run([...first(), "--target", "aws", "--plan"], none),
      world.run([...first(), "--target", "gcp", "--plan"], { GOOGLE_APPLICATION_CREDENTIALS: world.path("none.json") }),
      world.run(["--env", all, "gc"]),
      world.run([...first(), "--no-smoke", "--target", "registry"]),
    ]);
    assert.equal(misspelt.status, 3);
    assert.match(misspelt.stderr, /no target "registri"; did you mean "registry"\?/);
    assert.deepEqual([nobody.status, stranger.status], [10, 10], nobody.stderr + stranger.stderr);
    assert.equal(misplaced.status, 3);
    assert.match(misplaced.stderr, /write --env behind "gc"/);
    assert.equal(alone.status, 3);
    assert.match(alone.stderr, /needs a yes, and there is no terminal to ask on/);
  });

  it("lists what retention does not keep, and collects it when somebody says so", async () => {
    const gcp = ["--env", all, "--target", "gcp"];
    for (const version of ["1.0", "2.0"]) {
      const { status, stderr } = await world.run([...gcp, "--release", version, "--no-smoke", "--yes"]);
      assert.equal(status, 0, stderr);
    }
    const listed = await world.run(["gc", ...gcp]);
    assert.equal(listed.status, 2, listed.stderr);
    assert.match(listed.stdout, /gcp +\S+ .*node-1-0-amd64[^]+1 would be collected; --yes does it/);
    const state = () => world.gcp.state.images.get("node-1-0-amd64")?.deprecated?.["state"];
    assert.equal(state(), "DEPRECATED");
    assert.equal((await world.run(["gc", ...gcp, "--yes"])).status, 0);
    // It is removed a week later.
    assert.equal(state(), "OBSOLETE");
    assert.equal((await world.run(["gc", ...gcp])).status, 0);
  });

  it("leaves nothing in the store but what the next run makes use of", async () => {
    assert.deepEqual(await readdir(world.path("store", "runs")), []);
    assert.deepEqual(await readdir(world.path("store", "tmp")), []);
    const ledgers = await readdir(join(world.path("store"), "publish", "runs"));
    assert.ok(ledgers.length >= 4);
    for (const name of ledgers) {
      const text = await readFile(world.path("store", "publish", "runs", name), "utf8");
      assert.ok(!text.includes("not-a-secret-of-anything"));
    }
    await rm(world.path("plan.json"));
  });
});
