import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../src/core/digest.ts";
import type { VerificationResult } from "../../src/core/finding.ts";
import { readVerification, recordVerification } from "../../verify/record.ts";
import { RESULT } from "./result.ts";

describe("verification record", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-record-"));
  });
  afterEach(async () => rm(folder, { recursive: true }));

  it("is read back as it was written, and leaves nothing else behind", async () => {
    const path = await recordVerification(folder, RESULT);
    assert.equal(path, join(folder, "verification-boot-qemu.json"));
    assert.deepEqual(await readdir(folder), ["verification-boot-qemu.json"]);
    assert.deepEqual(await readVerification(folder, RESULT.digest), [RESULT]);
    assert.match(await readFile(path, "utf8"), /^\{\n {2}"formatVersion": 1,\n/);
  });

  it("replaces an earlier one of the same suite and place only", async () => {
    await recordVerification(folder, RESULT);
    await recordVerification(folder, { ...RESULT, place: "moon" });
    await recordVerification(folder, { ...RESULT, durationMs: 7 });
    const durations = (await readVerification(folder, RESULT.digest)).map(({ durationMs }) => durationMs);
    assert.deepEqual(durations, [RESULT.durationMs, 7]);
  });

  it("does not count for other bytes", async () => {
    await recordVerification(folder, RESULT);
    assert.deepEqual(await readVerification(folder, sha256("another disk")), []);
  });

  it("is empty beside a build that was not verified", async () => {
    await writeFile(join(folder, "build.json"), "{}");
    assert.deepEqual(await readVerification(folder, RESULT.digest), []);
  });

  for (const [what, change] of [
    ["contradicts its findings", { ok: true }],
    ["has no findings", { findings: [] }],
    ["is of another version", { formatVersion: 2 }],
    ["has a key nobody knows", { approved: true }],
    ["names no digest", { digest: "latest" }],
  ] as const) {
    it(`is refused when it ${what}`, async () => {
      await recordVerification(folder, { ...RESULT, ...change } as unknown as VerificationResult);
      await assert.rejects(readVerification(folder, RESULT.digest), { code: "build-invalid" });
    });
  }

  it("is refused when it is cut short", async () => {
    await writeFile(join(folder, "verification-boot-qemu.json"), '{"formatVersion":');
    await assert.rejects(readVerification(folder, RESULT.digest), { code: "build-invalid", message: /is not JSON/ });
  });
});
