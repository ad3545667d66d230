import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunInstancesRequest } from "@aws-sdk/client-ec2";
import { withDisposal } from "../../src/core/disposal.ts";
import { awsClients } from "../../src/aws/clients.ts";
import { removeEc2Leftovers } from "../../verify/ec2-place.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";
import { Publishing } from "./aws-publishing.ts";
import { Ec2World, OTHER_KEY, REGION } from "./ec2-world.ts";

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

describe("EC2 place", () => {
  let world: Ec2World;
  const start = async (...given: Parameters<typeof Ec2World.start>) => (world = await Ec2World.start(...given));
  afterEach(() => world[Symbol.asyncDispose]());

  /** The request that made the instance. */
  const runRequest = (): Partial<RunInstancesRequest> =>
    world.aws.calls.find(({ action }) => action === "RunInstances")?.parameters ?? assert.fail("no instance was run");

  const userData = (): Record<string, unknown> => {
    const text = Buffer.from(runRequest().UserData ?? "", "base64").toString();
    assert.ok(text.startsWith("#cloud-config\n"));
    return JSON.parse(text.slice(text.indexOf("\n"))) as Record<string, unknown>;
  };

  it("logs in to the instance that the console vouches for, and leaves nothing but its console", async () => {
    await start();
    await withDisposal(await world.clone(), async ({ name, machine, bootMs, serialLog }) => {
      assert.equal(name, "verify-a");
      assert.equal((await machine.exec(["echo", "a b"])).stdout, "ran: echo 'a b'");
      assert.deepEqual(world.left(), { instances: 1, keyPairs: 1, groups: 1 });
      assert.ok(bootMs > 0);
      assert.match(await readFile(serialLog, "utf8"), /SSH HOST KEY KEYS/);
    });
    world.assertNothingLeft();
    assert.equal(world.running, 0);
    assert.match(await readFile(join(world.folder, "verify-a.log"), "utf8"), /SSH HOST KEY KEYS/);
  });

  it("runs the private image with IMDSv2, tags from the start and an end of its own", async () => {
    await start();
    await (await world.clone())[Symbol.asyncDispose]();
    const { ClientToken: token = "", TagSpecifications: tagged = [], ...request } = runRequest();
    assert.equal(request.ImageId, world.image);
    assert.equal(request.InstanceType, "t3.large");
    assert.deepEqual(request.MetadataOptions, { HttpEndpoint: "enabled", HttpTokens: "required" });
    assert.equal(request.InstanceInitiatedShutdownBehavior, "terminate");
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.equal(request.CpuOptions, undefined);
    assert.deepEqual(tagged.map(({ ResourceType }) => ResourceType).sort(), [
      "instance",
      "network-interface",
      "volume",
    ]);
    for (const { Tags = [] } of tagged) {
      const tags = new Map(Tags.map(({ Key, Value }) => [Key, Value]));
      assert.equal(tags.get("kvci:managed"), "true");
      assert.equal(tags.get("kvci:run"), "run-1");
      assert.ok(Date.parse(tags.get("kvci:expires") ?? "") > Date.now() + 2 * HOUR_MS);
    }
    const { bootcmd, ...told } = userData();
    assert.match(String(bootcmd), /^systemd-run .* --on-active=180m systemctl poweroff .*&$/);
    const [key] = told["ssh_authorized_keys"] as string[];
    assert.match(key ?? "", /^ssh-ed25519 /);
    assert.deepEqual(told, {
      hostname: "verify-a",
      disable_root: false,
      users: [],
      ssh_authorized_keys: [key],
      ssh_deletekeys: false,
    });
  });

  it("lets in SSH alone, from where it is told", async () => {
    await start();
    await withDisposal(await world.clone({ sshFrom: ["203.0.113.7/32", "2001:db8::/64"] }), () => {
      const [group] = [...world.aws.region(REGION).securityGroups.values()];
      assert.deepEqual(
        group?.ingress.map(({ protocol, fromPort, toPort, cidr }) => [protocol, fromPort, toPort, cidr]),
        [
          ["tcp", 22, 22, "203.0.113.7/32"],
          ["tcp", 22, 22, "2001:db8::/64"],
        ],
      );
      return Promise.resolve();
    });
  });

  it("asks for nested virtualisation where the type has it", async () => {
    await start();
    await (await world.clone({ instanceType: "m8i.large" }))[Symbol.asyncDispose]();
    assert.deepEqual(runRequest().CpuOptions, { NestedVirtualization: "enabled" });
  });

  it("refuses a type that is not there or of another architecture, and makes no instance", async () => {
    await start();
    await assert.rejects(world.clone({ instanceType: "m7g.large" }), {
      code: "environment-invalid",
      message: /arm64.*amd64/,
    });
    await assert.rejects(world.clone({ instanceType: "u-3tb1.56xlarge" }), {
      code: "environment-invalid",
      message: /u-3tb1/,
    });
    assert.equal(world.made("RunInstances"), 0);
    world.assertNothingLeft();
  });

  it("says what to do in a region without a network of its own", async () => {
    const code = "VPCIdNotSpecified";
    await start({}, { faults: [{ kind: "error", action: "CreateSecurityGroup", code, status: 400 }] });
    await assert.rejects(world.clone(), { code: "publish-blocked", hint: /create-default-vpc --region us-east-1/ });
    world.assertNothingLeft();
  });

  it("reads the console of old types too, which do not tell it as of now", async () => {
    const latest = { action: "GetConsoleOutput", code: "UnsupportedOperation", status: 400 };
    await start({}, { faults: [{ kind: "error", ...latest }] });
    await (await world.clone())[Symbol.asyncDispose]();
    const asked = world.aws.calls.filter(({ action }) => action === "GetConsoleOutput");
    assert.deepEqual(
      asked.slice(0, 2).map(({ parameters }) => parameters["Latest"]),
      [true, undefined],
    );
  });

  it("boots two clones side by side that share nothing", async () => {
    await start();
    const place = await Promise.all([world.clone({}, "verify-a"), world.clone({}, "verify-b")]);
    assert.deepEqual(world.left(), { instances: 2, keyPairs: 2, groups: 2 });
    const [a, b] = world.requests;
    assert.notEqual(a?.keyPair?.publicKey, b?.keyPair?.publicKey);
    await Promise.all(place.map((clone) => clone[Symbol.asyncDispose]()));
    world.assertNothingLeft();
  });

  it("blames a disk whose console never names a host key, and shows its last lines", async () => {
    await start({ console: "[  OK  ] Reached target\r\nKernel panic - not syncing: VFS\r\n" });
    await assert.rejects(world.clone({ bootMs: 400 }), {
      code: "guest-not-ready",
      evidence: ["[  OK  ] Reached target", "Kernel panic - not syncing: VFS"],
    });
    world.assertNothingLeft();
  });

  it("does not log in to a guest with another host key", async () => {
    await start({ hostKey: OTHER_KEY.privateKey });
    await assert.rejects(world.clone({ loginMs: 400 }), { code: "guest-not-ready", message: /host key/ });
    world.assertNothingLeft();
  });

  it("tells an instance that does not start from a disk that does not boot", async () => {
    await start({ refuses: "Server.InternalError: no room" });
    await assert.rejects(world.clone(), { code: "publish-failed", message: /no room/ });
    world.assertNothingLeft();
  });

  it("ends at once when the instance is gone", async () => {
    await start({ console: "Linux version 6.1\r\n" });
    const clone = world.clone({ bootMs: 60_000 });
    clone.catch(() => undefined);
    while (world.running === 0) await sleep(10);
    await sleep(100);
    for (const instance of world.aws.region(REGION).instances.values()) instance.terminatedMs = Date.now();
    await assert.rejects(clone, { code: "guest-died", evidence: ["Linux version 6.1"] });
    world.assertNothingLeft();
  });

  it("comes through throttling, lost answers and late visibility, with one of everything", async () => {
    await start(
      {},
      {
        delays: { visibleLookups: 2, instanceMs: 50 },
        faults: [
          { kind: "throttle", action: "RunInstances" },
          { kind: "lost-reply", action: "RunInstances", after: 1 },
          { kind: "lost-reply", action: "ImportKeyPair" },
          { kind: "failed-reply", action: "CreateSecurityGroup" },
          { kind: "lost-reply", action: "AuthorizeSecurityGroupIngress" },
          { kind: "throttle", action: "GetConsoleOutput" },
          { kind: "lost-reply", action: "TerminateInstances" },
          { kind: "unavailable", action: "DeleteKeyPair" },
        ],
      },
    );
    const clone = await world.clone({ bootMs: 30_000 });
    assert.deepEqual(world.left(), { instances: 1, keyPairs: 1, groups: 1 });
    await clone[Symbol.asyncDispose]();
    world.assertNothingLeft();
    assert.deepEqual(world.aws.faults.hits, [1, 1, 1, 1, 1, 1, 1, 1]);
  });

  for (const action of [
    "ImportKeyPair",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "RunInstances",
    "DescribeInstances",
    "GetConsoleOutput",
  ]) {
    it(`leaves nothing when it is stopped while ${action} is under way`, async () => {
      await start({ console: "" }, { faults: [{ kind: "slow-reply", action, times: 1, delayMs: 300 }] });
      const stop = new AbortController();
      const clone = world.clone({ signal: stop.signal });
      clone.catch(() => undefined);
      // The first look at instances is the sweep's.
      while (!world.aws.calls.some((call) => call.action === action)) await sleep(5);
      await sleep(30);
      stop.abort();
      await assert.rejects(clone, { code: "interrupted" });
      world.assertNothingLeft();
    });
  }

  it("says what stays when it cannot be removed", async () => {
    await start({}, { denied: ["ec2:TerminateInstances"] });
    const journal = new RecordingJournal();
    const clone = await world.clone({ journal });
    // The group waits for the instance; that it gives up is the next test's affair.
    world.aws.faults.add({ kind: "error", action: "DeleteSecurityGroup", code: "UnauthorizedOperation", status: 403 });
    await clone[Symbol.asyncDispose]();
    const warnings = journal.events.flatMap((event) => (event.type === "warning" ? [event.subject] : []));
    assert.match(warnings.join("\n"), /^instance kvci-verify-verify-a-[0-9a-f]{8}\nsecurity group kvci-verify/);
  });

  it("removes what a killed run left, once its time is over, and nothing of a run that may be alive", async () => {
    await start();
    // Never disposed of, as after a kill -9.
    await world.clone({ run: "killed" });
    const soon = await world.clone({ run: "second" });
    await soon[Symbol.asyncDispose]();
    assert.deepEqual(world.left(), { instances: 1, keyPairs: 1, groups: 1 });
    const journal = new RecordingJournal();
    const now = () => Date.now() + 4 * HOUR_MS;
    const later = await world.clone({ run: "third", now, journal });
    const warnings = journal.events.flatMap((event) => (event.type === "warning" ? [event.detail] : []));
    assert.match(warnings.join("\n"), /^removed instance .* run killed\nremoved key pair .*\nremoved security group /);
    assert.deepEqual(world.left(), { instances: 1, keyPairs: 1, groups: 1 });
    await later[Symbol.asyncDispose]();
    world.assertNothingLeft();
  });

  it("leaves to `publish gc` what no later boot comes to remove", async () => {
    await start();
    await world.clone({ run: "killed" });
    const publisherAt = async (ms: number) =>
      (await Publishing.start(world.aws, world.folder, { region: REGION, ports: { now: () => Date.now() + ms } }))
        .publisher;
    assert.deepEqual(await (await publisherAt(0)).garbage(never), []);
    const publisher = await publisherAt(4 * HOUR_MS);
    const garbage = await publisher.garbage(never);
    assert.deepEqual(
      garbage.map(({ what, reason }) => [what.replace(/ kvci-.*/, ""), reason]),
      ["instance", "key pair", "security group"].map((what) => [what, "left by the boot test of run killed"]),
    );
    for (const item of garbage) await publisher.collect(item, never);
    world.assertNothingLeft();
  });

  it("removes nothing of its own run, and nothing that others tagged", async () => {
    await start();
    const own = await world.clone({ run: "own" });
    const { keyPairs } = world.aws.region(REGION);
    const [key] = [...keyPairs.values()];
    const strange = { ...key!, id: "key-00000000000000001", name: "theirs", tags: new Map([["kvci:managed", "true"]]) };
    keyPairs.set(strange.id, strange);
    const from = { api: awsClients(world.aws.env), region: REGION, now: () => Date.now() + 9 * HOUR_MS };
    assert.deepEqual(await removeEc2Leftovers({ ...from, ownRun: "own" }, never), []);
    await own[Symbol.asyncDispose]();
    assert.deepEqual([...keyPairs.keys()], [strange.id]);
  });
});
