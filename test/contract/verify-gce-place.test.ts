import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withDisposal } from "../../src/core/disposal.ts";
import { gcpApi, type GcpApi } from "../../src/gcp/gcp-api.ts";
import { gcePlace, removeGceLeftovers, type GcePlacePorts } from "../../verify/gce-place.ts";
import type { InstanceRecord } from "../counterparts/gcp/gcp-state.ts";
import { startGcp, type GcpCounterpart } from "../counterparts/gcp/start-gcp.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";
import { DISK } from "../verify/fake-clone.ts";
import { announcement, HOST_KEY, metadataOf, OTHER_KEY, SshMachines, type Behaviour } from "./gce-machine.ts";

const IMAGE = "projects/kvci-project/global/images/node";
const PROJECT = { project: "kvci-project", zone: "us-central1-b" };
const HOUR_MS = 3_600_000;

describe("gce place", () => {
  let folder: string;
  let gcp: GcpCounterpart;
  let api: GcpApi;
  let machines: SshMachines;
  let onInsert: ((instance: InstanceRecord) => Promise<void>) | undefined;
  let credentials: string | undefined;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "kvci-gce-place-"));
    machines = new SshMachines();
    onInsert = undefined;
    gcp = await startGcp({
      onInsertInstance: async (instance) => {
        await onInsert?.(instance);
        return machines.start(instance);
      },
    });
    gcp.addImage("node");
    credentials = process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    process.env["GOOGLE_APPLICATION_CREDENTIALS"] = gcp.env["GOOGLE_APPLICATION_CREDENTIALS"];
    api = gcpApi(gcp.env, { project: PROJECT.project });
  });
  afterEach(async () => {
    if (credentials === undefined) delete process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    else process.env["GOOGLE_APPLICATION_CREDENTIALS"] = credentials;
    const { violations } = gcp;
    await gcp.close();
    rmSync(folder, { recursive: true });
    assert.deepEqual(violations, []);
  });

  function clone(
    given: { readonly behaviour?: Partial<Behaviour>; readonly signal?: AbortSignal } & Partial<GcePlacePorts> = {},
  ) {
    const { behaviour, signal = new AbortController().signal, ...ports } = given;
    if (behaviour) machines = new SshMachines(behaviour);
    const place = gcePlace({
      api,
      ...PROJECT,
      image: IMAGE,
      run: "run-1",
      now: () => Date.now(),
      serialLog: (name) => join(folder, `${name}.log`),
      connect: (address) => machines.connect(address),
      bootMs: 2_000,
      loginMs: 1_500,
      pollMs: 10,
      ...ports,
    });
    const journal = new RecordingJournal();
    return { journal, result: place.clone(DISK, "verify-a", { journal, signal }) };
  }

  function assertNothingLeft(): void {
    assert.deepEqual([...gcp.state.instances.keys()], []);
    assert.deepEqual([...gcp.state.firewalls.keys()], []);
    assert.equal(machines.running, 0);
  }

  it("logs in to the instance that its console vouches for, and leaves nothing but the console", async () => {
    const { result } = clone();
    await withDisposal(await result, async (running) => {
      assert.equal((await running.machine.exec(["echo", "a b"])).stdout, "ran: echo 'a b'");
      assert.equal(gcp.state.instances.size, 1);
      assert.ok(running.bootMs > 0);
    });
    assertNothingLeft();
    assert.equal(readFileSync(join(folder, "verify-a.log"), "utf8"), announcement(HOST_KEY.publicKey));
  });

  it("gives the instance a key, a name and a rule of its own, and no rights", async () => {
    const { result } = clone();
    await withDisposal(await result, () => {
      const [instance] = gcp.state.instances.values();
      assert.ok(instance);
      const { resource, name } = instance;
      const metadata = metadataOf(instance);
      assert.match(metadata["user-data"] ?? "", /^#cloud-config\n.*"hostname":"verify-a".*"users":\[\]/);
      assert.match(metadata["ssh-keys"] ?? "", /^root:ssh-ed25519 /);
      assert.equal(metadata["block-project-ssh-keys"], "TRUE");
      assert.equal(resource["serviceAccounts"], undefined);
      assert.deepEqual(resource["advancedMachineFeatures"], { enableNestedVirtualization: true });
      assert.deepEqual(resource["scheduling"], {
        automaticRestart: false,
        maxRunDuration: { seconds: "10800" },
        instanceTerminationAction: "DELETE",
      });
      assert.equal((resource["labels"] as Record<string, string>)["kvci-run"], "run-1");
      const [rule] = gcp.state.firewalls.values();
      assert.deepEqual(rule?.["targetTags"], [name]);
      assert.deepEqual(rule["allowed"], [{ IPProtocol: "tcp", ports: ["22"] }]);
      return Promise.resolve();
    });
  });

  it("asks no machine for nesting that has none", async () => {
    const { result } = clone({ machineType: "e2-standard-4" });
    await withDisposal(await result, () => {
      const [instance] = gcp.state.instances.values();
      assert.equal(instance?.resource["advancedMachineFeatures"], undefined);
      return Promise.resolve();
    });
    await assert.rejects(clone({ machineType: "t2a-standard-4" }).result, { code: "environment-invalid" });
    assertNothingLeft();
  });

  it("does not log in to an instance with another host key", async () => {
    const { result } = clone({ behaviour: { hostKey: OTHER_KEY.privateKey }, loginMs: 400 });
    await assert.rejects(result, { code: "guest-not-ready", message: /host key/ });
    assertNothingLeft();
  });

  it("gives up on a boot that never ends, with what the console said last", async () => {
    const { result } = clone({ behaviour: { console: "Kernel panic - not syncing\r\n" }, bootMs: 300 });
    await assert.rejects(result, { code: "guest-not-ready", evidence: ["Kernel panic - not syncing"] });
    assertNothingLeft();
  });

  it("reads a console that is longer than what the service keeps", async () => {
    gcp.limits.serialBytes = 1_000;
    const { result } = clone({
      behaviour: { console: `${"boot\r\n".repeat(2_000)}${announcement(HOST_KEY.publicKey)}` },
    });
    await (await result)[Symbol.asyncDispose]();
    assertNothingLeft();
  });

  it("ends at once when the instance does", async () => {
    const { result } = clone({ behaviour: { console: "login:\r\n" }, bootMs: 60_000 });
    while (!existsSync(join(folder, "verify-a.log"))) await sleep(5);
    for (const instance of gcp.state.instances.values()) instance.status = "TERMINATED";
    await assert.rejects(result, { code: "guest-died", message: /TERMINATED/ });
    assertNothingLeft();
  });

  it("does not blame the disk for what the zone has not", async () => {
    const rule = { kind: "operation-error", reason: "ZONE_RESOURCE_POOL_EXHAUSTED", message: "no machines" } as const;
    gcp.faults.add({ ...rule, call: "instances.insert", status: 503 });
    await assert.rejects(clone().result, { code: "publish-failed", message: /no machines/ });
    assertNothingLeft();
  });

  it("makes everything once and removes all of it when answers are lost", async () => {
    for (const call of ["firewalls.insert", "instances.insert", "instances.delete", "firewalls.delete"]) {
      gcp.faults.add({ kind: "lost-reply", call });
    }
    await (await clone().result)[Symbol.asyncDispose]();
    assert.ok(gcp.faults.hits.every((hits) => hits === 1));
    assert.equal(gcp.events.filter(({ kind }) => kind === "instance-started").length, 1);
    assertNothingLeft();
  });

  it("leaves nothing when it is stopped while the instance is made", async () => {
    const stop = new AbortController();
    onInsert = async () => {
      stop.abort();
      await sleep(100);
    };
    await assert.rejects(clone({ signal: stop.signal }).result, { code: "interrupted" });
    await sleep(150);
    assertNothingLeft();
  });

  it("leaves nothing when it is stopped in the very call that is heard all the same", async () => {
    const stop = new AbortController();
    gcp.faults.add({ kind: "slow", call: "instances.insert", delayMs: 60 });
    const { result } = clone({ signal: stop.signal, pollMs: 80 });
    while (gcp.state.firewalls.size === 0) await sleep(2);
    while (gcp.faults.hits[0] === 0) await sleep(2);
    stop.abort();
    await assert.rejects(result, { code: "interrupted" });
    assert.equal(gcp.calls.filter(({ name }) => name === "instances.insert").length, 1);
    assertNothingLeft();
  });

  it("leaves nothing when it is stopped while the guest boots", async () => {
    const stop = new AbortController();
    const { result } = clone({ behaviour: { console: "login:\r\n" }, bootMs: 60_000, signal: stop.signal });
    while (!existsSync(join(folder, "verify-a.log"))) await sleep(5);
    stop.abort();
    await assert.rejects(result, { code: "interrupted" });
    assertNothingLeft();
  });

  it("says what stays when it cannot be removed", async () => {
    const { result, journal } = clone();
    const running = await result;
    gcp.denied.add("compute.instances.delete");
    await running[Symbol.asyncDispose]();
    const [warning] = journal.events.filter(({ type }) => type === "warning");
    assert.match(JSON.stringify(warning), /instance kvci-verify-a-[0-9a-f]{8}.*for a later run to remove/);
    assert.equal(gcp.state.firewalls.size, 0);
  });

  it("does not believe what an earlier boot wrote to the console's file", async () => {
    writeFileSync(join(folder, "verify-a.log"), announcement(HOST_KEY.publicKey));
    await assert.rejects(clone({ behaviour: { console: "" }, bootMs: 200 }).result, { code: "guest-not-ready" });
    assertNothingLeft();
  });

  describe("leftovers", () => {
    let child: ChildProcess;

    /** A run in a process of its own that waits for a guest which does not come up. */
    async function otherRun(run: string): Promise<void> {
      machines = new SshMachines({ console: "login:\r\n" });
      const input = { env: gcp.env, image: IMAGE, run, folder };
      const script = join(import.meta.dirname, "gce-place-child.ts");
      const env = { ...process.env, ...gcp.env };
      child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script, JSON.stringify(input)], {
        env,
        stdio: ["ignore", "ignore", "inherit"],
      });
      while (!existsSync(join(folder, "child-verify-a.log"))) await sleep(10);
    }

    async function kill(): Promise<void> {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    }

    const sweep = (now = Date.now()): Promise<readonly string[]> =>
      removeGceLeftovers(
        { api, ...PROJECT, now: () => now, ownRun: "run-2", pollMs: 10 },
        new AbortController().signal,
      );

    it("of a process that was killed go with the next run, and those of a live one stay", async () => {
      await otherRun("run-1");
      assert.deepEqual(await sweep(), []);
      assert.equal(gcp.state.instances.size, 1);
      await kill();
      const { result, journal } = clone({ behaviour: {}, run: "run-2" });
      await (await result)[Symbol.asyncDispose]();
      const removed = journal.events.flatMap((event) => (event.type === "leftover-removed" ? [event.what] : []));
      assert.equal(removed.length, 2);
      assert.match(removed[0] ?? "", /^instance kvci-verify-a-[0-9a-f]{8}: its process \d+ is gone$/);
      assert.match(removed[1] ?? "", /^firewall rule kvci-verify-a-/);
      assert.deepEqual([...gcp.state.instances.keys()], []);
      assert.deepEqual([...gcp.state.firewalls.keys()], []);
    });

    it("of another host stay until their time is over", async () => {
      const { result } = clone();
      const running = await result;
      const [instance] = gcp.state.instances.values();
      Object.assign(instance?.resource["labels"] as object, { "kvci-host": "another" });
      const [rule] = gcp.state.firewalls.values();
      Object.assign(rule ?? {}, {
        description: String(rule?.["description"]).replace(/"kvci-host":"\w+"/, '"kvci-host":"b"'),
      });
      assert.deepEqual(await sweep(Date.now() + 3 * HOUR_MS), []);
      const removed = await sweep(Date.now() + 4 * HOUR_MS);
      assert.equal(removed.length, 2);
      await running[Symbol.asyncDispose]();
      assertNothingLeft();
    });

    it("are nothing that others made", async () => {
      gcp.state.firewalls.set("default-allow-ssh", { name: "default-allow-ssh", description: "Allow SSH" });
      assert.deepEqual(await sweep(Date.now() + 100 * HOUR_MS), []);
      assert.equal(gcp.state.firewalls.size, 1);
    });
  });
});
