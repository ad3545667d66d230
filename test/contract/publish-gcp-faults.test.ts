import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rawDisk } from "../../src/disk/raw-disk.ts";
import { runProgram } from "../../src/host/program.ts";
import { contentDigest } from "../../src/publish/content-digest.ts";
import { sha256 } from "../../src/core/digest.ts";
import type { FaultRule } from "../counterparts/gcp/gcp-fault.ts";
import { startGcp } from "../counterparts/gcp/start-gcp.ts";
import { GcpWorld, makeDisk, MIB } from "./gcp-world.ts";

const NAME = "node-1-31-2-amd64";
const CHUNK = 8 * MIB;

describe("publishing to Google Cloud in bad weather", () => {
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

  const published = (): void => {
    assert.deepEqual([...world.gcp.state.images.keys()], [NAME]);
    assert.equal(world.gcp.state.images.get(NAME)?.status, "READY");
    assert.deepEqual([...world.gcp.bucket("kvci-bucket").objects.keys()], []);
  };

  // How much of a chunk may come twice.
  const passing: readonly (readonly [string, readonly FaultRule[], number])[] = [
    ["503 in the middle of a chunk", [{ kind: "half-chunk", call: "storage.sessions.put", after: 1 }], CHUNK],
    ["a chunk of which half is kept", [{ kind: "part-chunk", call: "storage.sessions.put", after: 1 }], CHUNK],
    ["a chunk that is refused", [{ kind: "refuse-chunk", call: "storage.sessions.put" }], CHUNK],
    ["a connection cut in a chunk", [{ kind: "cut-chunk", call: "storage.sessions.put", after: 1 }], CHUNK],
    ["an answer to a chunk that is lost", [{ kind: "lost-reply", call: "storage.sessions.put", after: 1 }], 0],
    ["the answer to the last chunk lost", [{ kind: "lost-reply", call: "storage.sessions.put", after: 2 }], 0],
    ["a session that is forgotten", [{ kind: "session-gone", call: "storage.sessions.put", after: 2 }], 3 * CHUNK],
    ["429 with Retry-After", [{ kind: "throttle", call: "images.insert", retryAfterSeconds: 1 }], 0],
    ["an expired token", [{ kind: "expired", call: "images.insert" }], 0],
    [
      "lost replies of every change",
      ["images.insert", "images.patch", "storage.objects.delete", "images.setIamPolicy"].map((call): FaultRule => ({
        kind: "lost-reply",
        call,
      })),
      0,
    ],
    [
      "503 for every kind of call",
      [
        { kind: "error", times: 6 },
        { kind: "error", call: "globalOperations", times: 2 },
      ],
      0,
    ],
    ["connections cut", [{ kind: "reset", call: "images", times: 3 }], 0],
  ];
  for (const [what, rules, mostTwice] of passing) {
    it(`survives ${what}`, async () => {
      world.gcp.faults.add(...rules);
      await world.publish(await world.publisher({ public: true }));
      published();
      assert.ok(world.gcp.faults.hits.every((hits) => hits > 0));
      const { received } = world.uploaded();
      const twice = received - (world.gcp.state.images.get(NAME)?.archiveBytes ?? 0);
      assert.ok(twice >= 0 && twice <= mostTwice, `${twice} bytes came twice`);
    });
  }

  it("makes one image from two calls of which one's answer was lost", async () => {
    world.gcp.faults.add({ kind: "lost-reply", call: "images.insert" });
    await world.publish(await world.publisher());
    assert.equal(world.gcp.calls.filter(({ name }) => name === "images.insert").length, 2);
    assert.equal(world.gcp.events.filter(({ kind }) => kind === "image-made").length, 1);
  });

  it("goes on with a broken upload in the next run, and sends only what is missing", async () => {
    world.gcp.faults.add({ kind: "error", call: "storage.sessions", after: 2, times: "always" });
    const hasty = await world.publisher({}, { pace: { baseMs: 5, deadlineMs: 100 } });
    await assert.rejects(world.publish(hasty), { code: "publish-failed" });
    assert.equal(world.uploaded().received, 2 * CHUNK);
    world.gcp.faults.clear();
    await world.publish(await world.publisher());
    published();
    assert.equal(world.gcp.state.sessions.size, 1);
    assert.equal(world.uploaded().received, world.gcp.state.images.get(NAME)?.archiveBytes);
  });

  it("keeps the address of an upload where only its owner reads it", async () => {
    world.gcp.faults.add({ kind: "error", call: "storage.sessions", after: 1, times: "always" });
    const hasty = await world.publisher({}, { pace: { baseMs: 5, deadlineMs: 50 } });
    const failure: unknown = await world.publish(hasty).catch((error: unknown) => error);
    const [session] = world.gcp.state.sessions.keys();
    assert.ok(session !== undefined);
    const ledger = join(world.folder, "runs", "run-1.jsonl");
    assert.ok((await readFile(ledger, "utf8")).includes(session));
    assert.equal((await stat(ledger)).mode & 0o777, 0o600);
    assert.ok(!JSON.stringify(failure, Object.getOwnPropertyNames(failure)).includes(session));
  });

  it("waits for what is made and not yet seen", async () => {
    world.gcp.delays.visibleMs = 150;
    await world.publish(await world.publisher());
    published();
  });

  it("removes what arrived changed, and makes no image from it", async () => {
    world.gcp.faults.add({ kind: "corrupt", call: "storage.sessions.put", after: 1 });
    const publisher = await world.publisher();
    await assert.rejects(world.publish(publisher), { code: "publish-integrity", message: /is not what was sent/ });
    assert.equal(world.gcp.state.images.size, 0);
    assert.equal(world.gcp.bucket("kvci-bucket").objects.size, 0);
    await world.publish(publisher);
    published();
  });

  it("says what an operation failed with, and tries with another token next time", async () => {
    const rule = {
      kind: "operation-error",
      reason: "QUOTA_EXCEEDED",
      message: "Quota 'IMAGES' exceeded.",
      status: 403,
    } as const;
    world.gcp.faults.add({ ...rule, call: "images.insert" });
    const publisher = await world.publisher();
    await assert.rejects(world.publish(publisher), { code: "publish-quota" });
    await world.publish(publisher);
    published();
  });

  it("leaves another's change of the policy in place", async () => {
    const image = () => world.gcp.state.images.get(NAME);
    const foreign = { role: "roles/compute.viewer", members: ["user:auditor@example.org"] };
    const publisher = await world.publisher({ public: true });
    world.gcp.faults.add({ kind: "slow", call: "images.setIamPolicy", delayMs: 200 });
    const racing = world.publish(publisher);
    for (let found = image(); found?.policy.bindings.length !== 1; found = image()) {
      const isAsked = world.gcp.calls.some(({ name }) => name === "images.getIamPolicy");
      if (found && isAsked) found.policy = { version: 1, etag: "another", bindings: [foreign] };
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await racing;
    assert.deepEqual(image()?.policy.bindings, [
      foreign,
      { role: "roles/compute.imageUser", members: ["allAuthenticatedUsers"] },
    ]);
  });

  it("makes one image when two runs publish the same at once", async () => {
    const publishers = await Promise.all([world.publisher(), world.publisher()]);
    const outcomes = await Promise.allSettled(publishers.map((publisher) => world.publish(publisher)));
    assert.ok(outcomes.some(({ status }) => status === "fulfilled"));
    await world.publish(await world.publisher());
    published();
  });

  it("stops at once when it is told to, and says how to go on", async () => {
    const stop = new AbortController();
    world.gcp.faults.add({ kind: "slow", call: "storage.sessions.put", after: 1, delayMs: 5_000 });
    const publisher = await world.publisher();
    const run = world.publish(publisher, { signal: stop.signal });
    setTimeout(() => stop.abort(), 1_500);
    await assert.rejects(run, { code: "interrupted" });
  });

  describe("before anything is moved", () => {
    const findings = async (given: Parameters<GcpWorld["publisher"]>[0] = {}) => {
      const publisher = await world.publisher(given);
      const { signal } = new AbortController();
      const found = await publisher.preflight([world.build], await publisher.observe([world.build], signal), signal);
      assert.equal(world.gcp.mutatingCalls().length, 0);
      assert.ok(found.every(({ level, hint }) => level !== "error" || hint !== undefined));
      return found
        .filter(({ level }) => level !== "ok")
        .map(({ level, check, code }) => `${level} ${check} ${code ?? ""}`.trim());
    };

    it("finds nothing wrong where nothing is", async () => assert.deepEqual(await findings(), []));

    it("finds everything that is wrong at once", async () => {
      for (const right of ["compute.images.create", "storage.objects.delete"]) world.gcp.denied.add(right);
      world.gcp.limits.images = 0;
      const bucket = world.gcp.bucket("kvci-bucket");
      bucket.publicAccessPrevention = "enforced";
      bucket.retentionSeconds = 86_400;
      bucket.policy = { ...bucket.policy, bindings: [{ role: "roles/storage.objectViewer", members: ["allUsers"] }] };
      assert.deepEqual(await findings({ export: { object: "x", public: true } }), [
        "error rights in the project publish-denied",
        "error rights in the bucket publish-denied",
        "error bucket is private publish-blocked",
        "error bucket retention publish-blocked",
        "error public release file publish-blocked",
        "error quota of images publish-quota",
      ]);
    });

    it("asks for the right to read lists of objects only where objects have them", async () => {
      world.gcp.denied.add("storage.objects.getIamPolicy");
      assert.deepEqual(await findings(), ["error rights in the bucket publish-denied"]);
      world.gcp.bucket("kvci-bucket").uniform = true;
      assert.deepEqual(await findings(), []);
    });

    it("finds that there is no bucket", async () => {
      assert.deepEqual(await findings({ bucket: "another-bucket" }), ["error bucket publish-denied"]);
    });

    it("does not call proven what cannot be asked", async () => {
      world.gcp.denied.add("resourcemanager.projects.get");
      world.gcp.denied.add("storage.buckets.getIamPolicy");
      assert.deepEqual(await findings({ members: ["user:a@example.org"] }), [
        "unproven rights in the project",
        "unproven bucket is private",
        "unproven policies of the organisation",
      ]);
    });
  });

  it("says which policy lets a member not in", async () => {
    world.gcp.forbiddenMembers.add("user:stranger@elsewhere.example");
    const publisher = await world.publisher({ members: ["user:stranger@elsewhere.example"] });
    await assert.rejects(world.publish(publisher), { code: "publish-blocked" });
  });
});

describe("memory of publishing to Google Cloud", () => {
  const GIB = 2 ** 30;
  const MOST_MIB = 250;

  it(`stays below ${MOST_MIB} MiB for a disk of 2 GiB`, async function () {
    this.timeout(600_000);
    const folder = await mkdtemp(join(tmpdir(), "kvci-gcp-memory-"));
    const gcp = await startGcp();
    try {
      const { signal } = new AbortController();
      const qcow2 = join(folder, "disk.qcow2");
      const run = (argv: readonly [string, ...string[]]) => runProgram(argv, { signal, timeoutMs: 120_000 });
      const noise = join(folder, "noise");
      await run(["sh", "-ec", 'head -c 400M /dev/urandom > "$1"', "sh", noise]);
      await run(["qemu-img", "create", "-q", "-f", "qcow2", qcow2, "2G"]);
      await run([
        "qemu-io",
        "-f",
        "qcow2",
        "-c",
        `write -q -s ${noise} 64M 400M`,
        "-c",
        "write -q -P 9 1500M 300M",
        qcow2,
      ]);
      const content = await contentDigest({ storeRoot: folder, file: sha256("disk") }, () =>
        rawDisk(qcow2, { signal }),
      );
      const script = join(import.meta.dirname, "gcp-upload-child.ts");
      const options = { env: { ...process.env, ...gcp.env }, stdio: ["ignore", "pipe", "inherit"] as const };
      const child = spawn(
        process.execPath,
        ["--disable-warning=ExperimentalWarning", script, folder, qcow2, String(2 * GIB), content],
        {
          ...options,
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      let output = "";
      child.stdout.on("data", (text: Buffer) => (output += text.toString()));
      const [code] = (await once(child, "close")) as [number];
      assert.equal(code, 0);
      assert.equal([...gcp.state.images.values()][0]?.diskGiB, 2);
      const peak = Number(output);
      assert.ok(peak > 0 && peak <= MOST_MIB, `${output.trim()} MiB`);
    } finally {
      await gcp.close();
      await rm(folder, { recursive: true });
    }
  });
});
