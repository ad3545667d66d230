import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { KvciError } from "../../src/core/error.ts";
import { hostKeysOnConsole, waitForHostKey } from "../../verify/console-host-keys.ts";

const field = (data: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, data]);
};
const key = (type: string, fill: number): string =>
  `${type} ${Buffer.concat([field(Buffer.from(type)), field(Buffer.alloc(32, fill))]).toString("base64")}`;
const ED25519 = key("ssh-ed25519", 7);
const ECDSA = key("ecdsa-sha2-nistp256", 8);

const block = (...lines: readonly string[]): string =>
  [
    "-----BEGIN SSH HOST KEY KEYS-----",
    ...lines.map((line) => `${line} root@verify-a`),
    "-----END SSH HOST KEY KEYS-----",
    "",
  ].join("\r\n");

describe("hostKeysOnConsole", () => {
  it("reads the keys of a block, ed25519 first", () => {
    assert.deepEqual(hostKeysOnConsole(`boot\r\n${block(ECDSA, ED25519)}login:`), [ED25519, ECDSA]);
  });

  it("waits for the whole block", () => {
    assert.equal(hostKeysOnConsole(""), undefined);
    assert.equal(hostKeysOnConsole(block(ED25519).slice(0, -10)), undefined);
  });

  it("takes the last block", () => {
    assert.deepEqual(hostKeysOnConsole(block(ED25519) + block(key("ssh-ed25519", 9))), [key("ssh-ed25519", 9)]);
  });

  it("reads a key after a prefix that a logger or the kernel put before it", () => {
    assert.deepEqual(hostKeysOnConsole(block(`[   31.2] cloud-init[612]: ${ED25519}`)), [ED25519]);
  });

  it("leaves out keys that are cut, run into or of another type than they say", () => {
    assert.deepEqual(hostKeysOnConsole(block(ED25519.slice(0, -8))), []);
    assert.deepEqual(hostKeysOnConsole(block(`${ED25519.slice(0, 40)}[  OK  ] Started${ED25519.slice(40)}`)), []);
    assert.deepEqual(hostKeysOnConsole(block(ED25519.replace("ssh-ed25519", "ecdsa-sha2-nistp256"))), []);
    assert.deepEqual(hostKeysOnConsole(block(key("ssh-rsa", 1))), []);
  });

  it("never throws, and never names a key that is not on the console", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.nat(120), (noise, at) => {
        const text = block(ED25519.slice(0, at) + noise + ED25519.slice(at));
        for (const found of hostKeysOnConsole(text) ?? []) assert.ok(text.includes(found));
      }),
      { numRuns: 50 },
    );
  });
});

describe("waitForHostKey", () => {
  const never = new Promise<never>(() => undefined);
  let serialLog = "";
  beforeEach(async () => {
    serialLog = join(await mkdtemp(join(tmpdir(), "kvci-console-")), "serial.log");
  });
  afterEach(async () => rm(join(serialLog, ".."), { recursive: true }));

  function wait(change: { timeoutMs?: number; died?: Promise<never>; signal?: AbortSignal } = {}): Promise<string> {
    return waitForHostKey({
      serialLog,
      timeoutMs: 5_000,
      intervalMs: 5,
      died: never,
      signal: new AbortController().signal,
      ...change,
    });
  }

  it("returns the key as soon as it is on the console, whether the log was there or not", async () => {
    const key = wait();
    await writeFile(serialLog, "booting\r\n");
    await appendFile(serialLog, block(ED25519));
    assert.equal(await key, ED25519);
  });

  it("ends at once when the guest is gone", async () => {
    const died = Promise.reject(new KvciError("guest-died", "QEMU ended", { hint: "See the console." }));
    await assert.rejects(wait({ died }), { code: "guest-died" });
  });

  it("gives up at its deadline with the console's last lines", async () => {
    await writeFile(serialLog, "\u001b[0;1mWelcome\u001b[0m\r\nlogin:\r\n");
    await assert.rejects(wait({ timeoutMs: 20 }), { code: "guest-not-ready", evidence: ["Welcome", "login:"] });
  });

  it("does not wait on for a block that holds no usable key", async () => {
    await writeFile(serialLog, block(key("ssh-rsa", 1)));
    await assert.rejects(wait(), { code: "guest-not-ready", message: /names no SSH host key/ });
  });

  it("stops when told", async () => {
    await assert.rejects(wait({ signal: AbortSignal.timeout(20) }), { code: "interrupted" });
  });
});
