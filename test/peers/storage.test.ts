import assert from "node:assert/strict";
import { mkdtemp, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Storage } from "@google-cloud/storage";
import { CHUNK_BYTES } from "../../publishers/gcp/upload-chunks.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { runProgram } from "../../src/host/program.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { StepResult } from "../../src/publish/step.ts";
import { GcpWorld, makeDisk } from "../contract/gcp-world.ts";
import { fakeGcsServer, INSTALL_MS } from "./peer-programs.ts";
import { freePort, servePeer, type Peer } from "./serve-peer.ts";

const { signal } = new AbortController();
const BUCKET = "kvci-bucket";
const GIB = 2 ** 30;

describe("an upload to fake-gcs-server", function () {
  this.timeout(120_000);
  let folder: string;
  let disk: Awaited<ReturnType<typeof makeDisk>>;
  let peer: Peer;
  let world: GcpWorld;
  let google: Storage;

  before(async function () {
    this.timeout(INSTALL_MS);
    const program = await fakeGcsServer();
    folder = await mkdtemp(join(tmpdir(), "kvci-peer-gcs-"));
    disk = await makeDisk(folder);
    const port = await freePort();
    const at = ["-host", "127.0.0.1", "-port", String(port), "-public-host", `127.0.0.1:${port}`];
    peer = await servePeer([program, "-backend", "memory", "-scheme", "http", ...at]);
    google = new Storage({ apiEndpoint: peer.endpoint, projectId: "kvci-project" });
    await google.createBucket(BUCKET);
    world = await GcpWorld.start(disk.qcow2);
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await peer[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** The publisher's own upload; images stay our counterpart's. */
  const upload = async (): Promise<StepResult> => {
    const storage = { CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${peer.endpoint}/storage/v1/` };
    const publisher = await world.publisher({}, { env: { ...world.gcp.env, ...storage } });
    const [step] = publisher.diff([world.build], await publisher.observe([world.build], signal));
    assert.equal(step?.kind, "upload-tarball");
    const context: PublishContext = {
      journal: silentJournal,
      signal,
      results: new Map(),
      remember: () => Promise.resolve(),
      recall: () => undefined,
    };
    return publisher.run(step, context);
  };

  it("arrives in several chunks, with the checksum that the server computes", async () => {
    const result = await upload();
    const [files] = await google.bucket(BUCKET).getFiles();
    const [file] = files;
    assert.ok(file && files.length === 1);
    assert.deepEqual([result["crc32c"], result["bytes"]], [file.metadata.crc32c, Number(file.metadata.size)]);
    assert.ok(Number(result["bytes"]) > CHUNK_BYTES, "one chunk alone");
  });

  it("comes back by Google's client as the tarball of the very disk", async () => {
    const [[file]] = await google.bucket(BUCKET).getFiles();
    const copy = join(folder, "copy.tar.gz");
    await file?.download({ destination: copy, validation: "crc32c" });
    await runProgram(["tar", "-xzSf", copy, "-C", folder, "--transform", "s/disk.raw/back.raw/"], {
      signal,
      timeoutMs: 60_000,
    });
    // Compute Engine wants whole GiB: zeros follow the disk.
    await truncate(disk.raw, GIB * Math.ceil((await stat(disk.raw)).size / GIB));
    await runProgram(["cmp", disk.raw, join(folder, "back.raw")], { signal, timeoutMs: 60_000 });
  });

  it("is not sent again", async () => {
    assert.equal((await upload())["sent"], false);
  });
});
