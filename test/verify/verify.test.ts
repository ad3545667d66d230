import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { verifyDisk } from "../../verify/verify.ts";
import { SUITES } from "../../verify/suites.ts";
import { RecordingJournal } from "../fakes/recording-journal.ts";
import { DISK, FakeClone, FakePlace, NOW, ScriptedMachine } from "./fake-clone.ts";

const GIB = 1024 ** 3;
const NAMES = SUITES[0]?.checks.map(({ name }) => name) ?? [];

/** What a good clone answers to the suite `boot`, in the order of its checks. */
function goodAnswers(letter: string): string[] {
  const id = letter.repeat(32);
  const boot = `boot:  0 ${id} Fri 2026-01-02 03:03:00 UTC—Fri 2026-01-02 03:04:00 UTC`;
  const answers: Readonly<Record<string, string>> = {
    "boots-by-firmware": "uefi\nro\n",
    "no-failed-units": "state: running\n",
    "no-build-user": "root 0 locked\n",
    "no-old-logs": boot,
    "unique-machine-id": id,
    "unique-host-keys": `ssh-ed25519 AAAA${letter} root@host\n`,
    "hostname-applied": `verify-${letter}\n`,
    "root-filesystem-grown": `root: ${String(9.6 * GIB)}\nNAME="vda" PKNAME="" TYPE="disk" SIZE="${String(10 * GIB)}"\n`,
    "clock-sane": String(NOW / 1000),
    "sshd-config-valid": "valid\n",
  };
  return NAMES.map((name) => answers[name] ?? "");
}

const good = (name: string): FakeClone => new FakeClone(name, new ScriptedMachine(goodAnswers(name.slice(-1))));

describe("verifyDisk", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-verify-"));
    await writeFile(join(folder, "disk.qcow2"), "disk");
  });
  after(async () => rm(folder, { recursive: true }));

  function verify(place: FakePlace, change: { suite?: string; signal?: AbortSignal; content?: string } = {}) {
    const journal = new RecordingJournal();
    const disk = { ...DISK, path: join(folder, "disk.qcow2"), digest: sha256(change.content ?? "disk") };
    const signal = change.signal ?? new AbortController().signal;
    return {
      journal,
      result: verifyDisk({ disk, suite: change.suite ?? "boot", place, journal, signal, now: () => NOW }),
    };
  }

  it("passes a good disk, bound to its digest, and ends the clones", async () => {
    const place = new FakePlace((name) => Promise.resolve(good(name)));
    const { journal, result } = verify(place);
    const { findings, ...rest } = await result;
    assert.deepEqual(
      findings.filter(({ ok }) => !ok),
      [],
    );
    assert.deepEqual(
      findings.map(({ check }) => check),
      NAMES,
    );
    const at = "2026-01-02T03:04:05.000Z";
    assert.deepEqual(rest, {
      formatVersion: 1,
      digest: sha256("disk"),
      suite: "boot",
      place: "fake",
      ok: true,
      startedAt: at,
      durationMs: 0,
    });
    assert.deepEqual(
      place.clones.map(({ disposals }) => disposals),
      [1, 1],
    );
    assert.equal(journal.of("finding").length, NAMES.length);
    assert.deepEqual(journal.recorded.find(({ event }) => event.type === "finding")?.span, [
      "verify boot on fake",
      "boots-by-firmware",
    ]);
  });

  it("reports every check that fails", async () => {
    const place = new FakePlace((name) => Promise.resolve(new FakeClone(name, new ScriptedMachine(goodAnswers("a")))));
    const result = await verify(place).result;
    assert.equal(result.ok, false);
    const failed = result.findings.filter(({ ok }) => !ok).map(({ check }) => check);
    assert.deepEqual(failed, ["unique-machine-id", "unique-host-keys", "hostname-applied"]);
  });

  it("ends the clones when checks cannot run", async () => {
    const error = new KvciError("machine-lost", "gone", { hint: "See the console." });
    const place = new FakePlace((name) => Promise.resolve(new FakeClone(name, new ScriptedMachine([], { error }))));
    const result = await verify(place).result;
    assert.ok(result.findings.every(({ ok, detail }) => !ok && detail.endsWith("gone")));
    assert.deepEqual(
      place.clones.map(({ disposals }) => disposals),
      [1, 1],
    );
  });

  it("makes a disk that does not boot a result, and ends the clone that did", async () => {
    const died = new KvciError("guest-died", "the guest's kernel panicked", {
      hint: "See the console.",
      evidence: ["Kernel panic"],
    });
    const place = new FakePlace((name) => (name === "verify-a" ? Promise.resolve(good(name)) : Promise.reject(died)));
    const { journal, result } = verify(place);
    const { ok, findings } = await result;
    assert.equal(ok, false);
    const [first, second] = findings;
    assert.deepEqual(first, {
      check: "boots-by-firmware",
      ok: false,
      detail: "the guest's kernel panicked",
      evidence: ["Kernel panic"],
      durationMs: 0,
    });
    assert.equal(second?.detail, "not looked at: the disk did not boot");
    assert.equal(findings.length, NAMES.length);
    assert.equal(journal.of("finding").length, NAMES.length);
    assert.deepEqual(
      place.clones.map(({ disposals }) => disposals),
      [1],
    );
  });

  it("throws what is wrong with the host instead of blaming the disk", async () => {
    const missing = new KvciError("program-missing", "no QEMU", { hint: "Install it." });
    await assert.rejects(verify(new FakePlace(() => Promise.reject(missing))).result, missing);
  });

  it("throws when it is stopped while clones boot", async () => {
    const stop = new AbortController();
    const place = new FakePlace((name) => {
      if (name === "verify-a") return Promise.resolve(good(name));
      stop.abort();
      return Promise.reject(new KvciError("guest-died", "QEMU died of SIGKILL", { hint: "See the console." }));
    });
    await assert.rejects(verify(place, { signal: stop.signal }).result, { code: "interrupted" });
    assert.deepEqual(
      place.clones.map(({ disposals }) => disposals),
      [1],
    );
  });

  it("ends the clones when it is stopped while checks run", async () => {
    const stop = new AbortController();
    const error = new KvciError("interrupted", "stopped", { hint: "Again." });
    const place = new FakePlace((name) => Promise.resolve(new FakeClone(name, new ScriptedMachine([], { error }))));
    await assert.rejects(verify(place, { signal: stop.signal }).result, { code: "interrupted" });
    assert.deepEqual(
      place.clones.map(({ disposals }) => disposals),
      [1, 1],
    );
  });

  it("boots nothing when the bytes are not those that were built", async () => {
    const place = new FakePlace((name) => Promise.resolve(good(name)));
    await assert.rejects(verify(place, { content: "another disk" }).result, { code: "build-invalid" });
    assert.equal(place.clones.length, 0);
  });

  it("reads nothing for an unknown suite", async () => {
    const place = new FakePlace((name) => Promise.resolve(good(name)));
    await assert.rejects(verify(place, { suite: "nodes" }).result, { code: "usage" });
  });
});
