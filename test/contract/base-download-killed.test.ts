import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { download } from "../../src/base/download.ts";
import { sha256 } from "../../src/core/digest.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { ImageMirror } from "../fakes/image-mirror.ts";

const CHUNK = 64 * 1024;
const CONNECTIONS = 2;
const CONTENT = randomBytes(24 * CHUNK);

describe("download in a process that is killed", () => {
  let folder: string;
  let server: ImageMirror;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-killed-"));
    server = await ImageMirror.start({ "/disk.img": CONTENT }, { delayMs: 5 });
  });

  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it("loses at most one chunk per connection, and the next process goes on", async () => {
    const program = `
      import { download } from ${JSON.stringify(new URL("../../src/base/download.ts", import.meta.url).href)};
      const journal = { emit() {}, span: (_span, work) => work(journal) };
      await download({ urls: [${JSON.stringify(server.url())}], digest: ${JSON.stringify(sha256(CONTENT))}, folder: ${JSON.stringify(folder)},
        signal: new AbortController().signal, journal, tuning: { connections: ${String(CONNECTIONS)}, chunkBytes: ${String(CHUNK)} } });`;
    await writeFile(join(folder, "run.mjs"), program);
    const child = spawn(process.execPath, [join(folder, "run.mjs")], { stdio: "inherit" });
    server.onRequest = () => {
      if (server.requests.length === 12) child.kill("SIGKILL");
    };
    await once(child, "exit");
    const served = server.requests.length;
    assert.ok(served >= 12 && served < 24, `${String(served)} requests`);
    server.requests.length = 0;
    const signal = new AbortController().signal;
    const path = await download({
      urls: [server.url()],
      digest: sha256(CONTENT),
      folder,
      signal,
      journal: silentJournal,
      tuning: { chunkBytes: CHUNK },
    });
    assert.ok((await readFile(path)).equals(CONTENT));
    // Of the requests the killed process made, its open connections' are the only ones that are made again.
    assert.ok(server.requests.length <= 24 - (12 - CONNECTIONS), `${String(server.requests.length)} requests again`);
  });
});
