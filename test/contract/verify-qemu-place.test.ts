import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withDisposal } from "../../src/core/disposal.ts";
import { KvciError } from "../../src/core/error.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { runProgram } from "../../src/host/program.ts";
import { generateKeyPair } from "../../src/machine/ssh2-machine.ts";
import type { BootRequest, Hypervisor, VirtualMachine } from "../../src/qemu/boot-request.ts";
import { qemuPlace } from "../../verify/qemu-place.ts";
import { DISK } from "../verify/fake-clone.ts";
import { startSshServer } from "./ssh-stand-in.ts";

const HOST_KEY = generateKeyPair("host");
const OTHER_KEY = generateKeyPair("other");
const ANNOUNCEMENT = `-----BEGIN SSH HOST KEY KEYS-----\r\n${HOST_KEY.publicKey}\r\n-----END SSH HOST KEY KEYS-----\r\n`;

interface Behaviour {
  /** What the guest writes to its console. */
  readonly console: string;
  /** The host key it really has. */
  readonly hostKey: string;
  readonly dies?: KvciError;
}

/** A hypervisor whose guests are SSH servers in this process: they let in the key of the seed and answer `ran: <command>`. */
class LoopbackHypervisor implements Hypervisor {
  readonly requests: BootRequest[] = [];
  running = 0;
  readonly #behaviour: Behaviour;

  constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour;
  }

  async boot(request: BootRequest): Promise<VirtualMachine> {
    this.requests.push(request);
    const { console, hostKey, dies } = this.#behaviour;
    const seed = Buffer.from(request.seed ?? []).toString("latin1");
    const clientKey = /ssh-ed25519 AAAA[0-9A-Za-z+/=]+/.exec(seed)?.[0] ?? "";
    const server = await startSshServer({ hostKey, clientKey });
    writeFileSync(request.serialLog, console, { flag: "a" });
    this.running += 1;
    let gone = false;
    const died = dies ? Promise.reject(dies) : new Promise<never>(() => undefined);
    died.catch(() => undefined);
    return {
      pid: 0,
      sshPort: server.port,
      serialLog: request.serialLog,
      accelerator: { name: "tcg", reason: "a stand-in" },
      died,
      qmp: () => Promise.resolve(undefined),
      restarted: false,
      ended: false,
      waitForEnd: () => Promise.resolve(false),
      expectEnd: () => undefined,
      [Symbol.asyncDispose]: async () => {
        // As QEMU's, the second disposal finds nothing to do.
        if (gone) return;
        gone = true;
        this.running -= 1;
        await server[Symbol.asyncDispose]();
      },
    };
  }
}

describe("qemu place", () => {
  let folder = "";
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "kvci-place-"));
    await runProgram(["qemu-img", "create", "-q", "-f", "qcow2", join(folder, "disk.qcow2"), "64M"], {
      signal: new AbortController().signal,
      timeoutMs: 30_000,
    });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  function clone(behaviour: Partial<Behaviour> = {}, name = "verify-a") {
    const hypervisor = new LoopbackHypervisor({ console: ANNOUNCEMENT, hostKey: HOST_KEY.privateKey, ...behaviour });
    const place = qemuPlace({
      hypervisor,
      temporaryFolder: (prefix) => {
        const path = join(folder, prefix);
        mkdirSync(path);
        return Promise.resolve({
          path,
          [Symbol.asyncDispose]: () => {
            rmSync(path, { recursive: true });
            return Promise.resolve();
          },
        });
      },
      serialLog: (clone) => join(folder, `${clone}.log`),
      bootMs: 300,
      loginMs: 1_500,
    });
    const disk = { ...DISK, path: join(folder, "disk.qcow2") };
    const result = place.clone(disk, name, { journal: silentJournal, signal: new AbortController().signal });
    return { hypervisor, result };
  }

  async function seedOf(name: string): Promise<string> {
    const { hypervisor, result } = clone({}, name);
    await (await result)[Symbol.asyncDispose]();
    return Buffer.from(hypervisor.requests[0]?.seed ?? []).toString("latin1");
  }

  function assertNothingLeft(hypervisor: LoopbackHypervisor): void {
    assert.equal(hypervisor.running, 0);
    assert.equal(existsSync(join(folder, "verify-a")), false);
  }

  it("logs in to the guest that the console vouches for, and leaves nothing but its console", async () => {
    const { hypervisor, result } = clone();
    await withDisposal(await result, async (running) => {
      assert.equal((await running.machine.exec(["echo", "a b"])).stdout, "ran: echo 'a b'");
      assert.equal(hypervisor.running, 1);
      assert.ok(running.bootMs > 0);
    });
    assertNothingLeft(hypervisor);
    assert.ok(existsSync(join(folder, "verify-a.log")));
  });

  it("boots an overlay by firmware, never the disk itself and never with a kernel of ours", async () => {
    const { hypervisor, result } = clone();
    await withDisposal(await result, async (running) => {
      const [request] = hypervisor.requests;
      assert.ok(request);
      assert.equal(request.directBoot, undefined);
      assert.equal(request.credentials, undefined);
      assert.equal(request.firmware, "uefi");
      const options = { signal: new AbortController().signal, timeoutMs: 30_000 };
      const info = JSON.parse(await runProgram(["qemu-img", "info", "--output=json", request.disk], options)) as Record<
        string,
        unknown
      >;
      assert.equal(info["backing-filename"], join(folder, "disk.qcow2"));
      assert.equal(running.serialLog, request.serialLog);
    });
  });

  it("gives each clone an identity of its own, and hides nothing that came with the disk", async () => {
    const a = await seedOf("verify-a");
    const b = await seedOf("verify-b");
    assert.match(a, /"local-hostname":"verify-a"/);
    assert.match(a, /"ssh_deletekeys":false/);
    assert.match(a, /"users":\[\]/);
    for (const pattern of [/"instance-id":"[^"]+"/, /ssh-ed25519 AAAA[^ ]+/]) {
      assert.notEqual(pattern.exec(a)?.[0], pattern.exec(b)?.[0]);
    }
  });

  it("does not log in to a guest with another host key", async () => {
    const { hypervisor, result } = clone({ hostKey: OTHER_KEY.privateKey });
    await assert.rejects(result, { code: "guest-not-ready", message: /host key/ });
    assertNothingLeft(hypervisor);
  });

  it("gives up on a console that never names a host key", async () => {
    const { hypervisor, result } = clone({ console: "login:\r\n" });
    await assert.rejects(result, { code: "guest-not-ready", evidence: ["login:"] });
    assertNothingLeft(hypervisor);
  });

  it("ends at once when the guest dies", async () => {
    const dies = new KvciError("guest-died", "the guest's kernel panicked", { hint: "See the console." });
    const { hypervisor, result } = clone({ console: "", dies });
    await assert.rejects(result, dies);
    assertNothingLeft(hypervisor);
  });

  it("does not believe what an earlier boot wrote to the console's file", async () => {
    writeFileSync(join(folder, "verify-a.log"), ANNOUNCEMENT);
    const { hypervisor, result } = clone({ console: "" });
    await assert.rejects(result, { code: "guest-not-ready" });
    assertNothingLeft(hypervisor);
  });
});
