import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockText, readLock, writeLock } from "../../../src/base/lock-file.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { EMPTY_LOCK, type CloudImageEntry } from "../../../src/core/lock.ts";

function entry(build: string, resolvedAt = "2026-01-01T00:00:00.000Z"): CloudImageEntry {
  return { url: `https://a.example/${build}`, digest: sha256(build), source: "https://a.example/SUMS", resolvedAt };
}

describe("lock file", () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-lock-"));
    path = join(folder, "kvci-build.lock.json");
  });

  afterEach(() => rm(folder, { recursive: true }));

  it("that is not there is the empty lock", async () => {
    assert.deepEqual(await readLock(path), EMPTY_LOCK);
  });

  it("comes back as it was written, keys sorted, and leaves no other file", async () => {
    const lock = {
      ...EMPTY_LOCK,
      cloudImages: { "fedora-43-amd64": entry("f"), "centos-9-amd64": entry("c") },
    };
    await writeLock(path, lock);
    assert.deepEqual(await readLock(path), lock);
    assert.deepEqual(await readdir(folder), ["kvci-build.lock.json"]);
    const text = await readFile(path, "utf8");
    assert.equal(text, lockText(lock));
    assert.ok(text.indexOf("centos") < text.indexOf("fedora"));
    assert.match(text, /^\{\n {2}"cloudImages": \{\n {4}"centos-9-amd64": \{\n {6}"digest"[^]*\n\}\n$/);
  });

  for (const [what, text] of [
    ["no JSON", "{"],
    ["unknown keys", '{"formatVersion":1,"x":1}'],
    ["another version", '{"formatVersion":2}'],
  ] as const) {
    it(`with ${what} is refused`, async () => {
      await writeFile(path, text);
      await assert.rejects(readLock(path), { code: "lock-invalid" });
    });
  }

  it("that cannot be written says so", async () => {
    await assert.rejects(writeLock(join(folder, "nowhere", "lock.json"), EMPTY_LOCK), { code: "lock-invalid" });
  });
});
