import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KvciError } from "../../src/core/error.ts";
import type { PlannedImage } from "../../src/core/op.ts";
import { resolveImage } from "../../src/images/resolve-image.ts";
import { openStore } from "../../src/store/file-store.ts";
import type { Passing } from "../world/registry-gate.ts";
import { ImagesWorld, signal } from "./images-world.ts";

const CONTENT = [
  { name: "cluster/one:v1", layers: ["base", "one", "more", "last"] },
  { name: "cluster/both:v1", layers: ["base", "both"], platforms: "index" },
] as const;

const isBlob = ({ path }: Passing): boolean => path.includes("/blobs/");
const isManifest = ({ path }: Passing): boolean => path.includes("/manifests/");

describe("fetch of images that fails", function () {
  this.timeout(120_000);
  let world: ImagesWorld;
  let one: PlannedImage;

  before(async () => {
    world = await ImagesWorld.start(CONTENT);
    one = world.image("cluster/one:v1");
  });
  after(() => world[Symbol.asyncDispose]());
  afterEach(() => world.registry.gate.reset());

  /** The error of fetching an image into an empty store. */
  async function failure(image: PlannedImage, env: Record<string, string> = world.registry.env): Promise<KvciError> {
    const store = await world.store();
    const source = { kind: "registries", access: { env } } as const;
    const error: unknown = await world.fetch([image], { store, source, tuning: { retryMs: 20 } }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof KvciError, String(error));
    assert.ok(error.message.includes("cluster/"), error.message);
    assert.ok(error.evidence.length > 0 && error.hint !== "");
    return error;
  }

  it("says that the registry wants credentials, and where they may be", async () => {
    const authFile = join(await world.scratch(), "auth.json");
    await writeFile(authFile, "{}");
    const { code, hint, evidence } = await failure(one, { ...world.registry.env, REGISTRY_AUTH_FILE: authFile });
    assert.equal(code, "registry-denied", evidence.join("\n"));
    assert.match(hint, /skopeo login.*REGISTRY_AUTH_FILE/s);
    const wrong = { auths: { [world.registry.gate.host]: { auth: Buffer.from("kvci:other").toString("base64") } } };
    await writeFile(authFile, JSON.stringify(wrong));
    assert.equal((await failure(one, { ...world.registry.env, REGISTRY_AUTH_FILE: authFile })).code, "registry-denied");
    world.registry.gate.fault = (passing) => (isManifest(passing) ? { kind: "answer", status: 403 } : undefined);
    assert.equal((await failure(one)).code, "registry-denied");
  });

  it("names an image that the registry does not have, by tag and by digest", async () => {
    const { host } = world.registry.gate;
    const access = world.access;
    for (const ref of [`${host}/cluster/one:v2`, `${host}/cluster/none:v1`]) {
      const error: unknown = await resolveImage(ref, { access, signal }).catch((reason: unknown) => reason);
      assert.ok(error instanceof KvciError && error.code === "image-missing", String(error));
      assert.ok(error.message.startsWith(ref), error.message);
    }
    const gone = { ...one, digest: `sha256:${"0".repeat(64)}`, manifest: `sha256:${"0".repeat(64)}` } as const;
    assert.equal((await failure(gone)).code, "image-missing");
    world.registry.gate.fault = (passing) => (isBlob(passing) ? { kind: "answer", status: 404 } : undefined);
    assert.equal((await failure(one)).code, "image-missing");
  });

  it("waits as long as a busy registry asks for", async () => {
    const startedMs = performance.now();
    world.registry.gate.fault = (passing) =>
      isBlob(passing) && passing.count === 1
        ? { kind: "answer", status: 429, headers: { "retry-after": "2" } }
        : undefined;
    await world.fetch([one], { store: await world.store(), tuning: { retryMs: 20 } });
    assert.ok(performance.now() - startedMs >= 2_000, "it did not wait");
  });

  it("says that a registry stays busy", async () => {
    world.registry.gate.fault = (passing) =>
      isBlob(passing) ? { kind: "answer", status: 429, headers: { "retry-after": "0" } } : undefined;
    const { code, message, hint } = await failure(one);
    assert.equal(code, "registry-failed");
    assert.match(message, /allows no more requests for now/);
    assert.match(hint, /log in/);
  });

  it("asks again after a server's error, and gives its words when it does not end", async () => {
    world.registry.gate.fault = (passing) =>
      isManifest(passing) && passing.count <= 1 ? { kind: "answer", status: 503 } : undefined;
    await world.fetch([one], { store: await world.store(), tuning: { retryMs: 20 } });
    world.registry.gate.fault = (passing) => (isBlob(passing) ? { kind: "answer", status: 503 } : undefined);
    const { code, evidence } = await failure(one);
    assert.equal(code, "registry-failed");
    assert.match(evidence.join("\n"), /503/);
  });

  it("says that a certificate is not trusted, and that nobody listens", async () => {
    const untrusted = await failure(one, { REGISTRY_AUTH_FILE: world.registry.authFile });
    assert.equal(untrusted.code, "registry-failed");
    assert.match(untrusted.evidence.join("\n"), /x509|certificate/);
    const deaf = await failure({ ...one, ref: "localhost:1/cluster/one:v1" });
    assert.equal(deaf.code, "registry-failed");
    assert.match(deaf.evidence.join("\n"), /refused/);
  });

  it("never takes over wrong bytes, of a manifest or of a layer", async () => {
    world.registry.gate.fault = (passing) => (isManifest(passing) ? { kind: "flip" } : undefined);
    assert.equal((await failure(one)).code, "digest-mismatch");
    const store = await world.store();
    world.registry.gate.fault = (passing) => (isBlob(passing) ? { kind: "flip" } : undefined);
    await assert.rejects(world.fetch([one], { store }), { code: "digest-mismatch", message: /cluster\/one/ });
    world.registry.gate.reset();
    const [fetched] = await world.fetch([one], { store });
    assert.equal(fetched?.blobs.length, 6);
  });

  it("goes on when connections break within blobs", async () => {
    world.registry.gate.fault = (passing) =>
      isBlob(passing) && passing.count === 1 ? { kind: "cut", afterBytes: 200 } : undefined;
    const [fetched] = await world.fetch([one], { store: await world.store(), tuning: { retryMs: 20 } });
    assert.equal(fetched?.blobs.length, 6);
  });

  it("keeps what came when it is stopped, and fetches the rest afterwards", async () => {
    const store = await world.store();
    const stop = new AbortController();
    const held = world.registry.gate;
    let passed = 0;
    held.fault = (passing) => {
      if (!isBlob(passing)) return undefined;
      passed += 1;
      return passed <= 3 ? undefined : { kind: "hold", until: stopped };
    };
    const stopped = new Promise((resolve) => stop.signal.addEventListener("abort", resolve, { once: true }));
    const running = world.fetch([one], { store, signal: stop.signal });
    running.catch(() => undefined);
    while (passed < 4) await new Promise((resolve) => setTimeout(resolve, 20));
    // What has passed is written a moment later.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    stop.abort();
    await assert.rejects(running, { code: "interrupted" });
    held.reset();
    await world.fetch([one], { store });
    assert.ok(
      held.blobRequests() >= 1 && held.blobRequests() <= 2,
      `${String(held.blobRequests())} blobs were fetched`,
    );
  });

  it("keeps what came when it is killed", async () => {
    const folder = await world.scratch();
    const { gate } = world.registry;
    let passed = 0;
    let release: (value: unknown) => void = () => undefined;
    const killed = new Promise((resolve) => (release = resolve));
    gate.fault = (passing) => {
      if (!isBlob(passing)) return undefined;
      passed += 1;
      return passed <= 3 ? undefined : { kind: "hold", until: killed };
    };
    const program = join(folder, "run.mjs");
    await writeFile(program, fetching(folder, one));
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
      stdio: "inherit",
      env: { ...process.env, ...world.registry.env },
      detached: true,
    });
    const ended = once(child, "exit");
    while (passed < 4) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    // The whole group, skopeo with it: so ends a machine.
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await ended;
    release(undefined);
    gate.reset();
    const store = await openStore(join(folder, "store"), { runId: "next", description: "the test" });
    await world.fetch([one], { store });
    assert.ok(
      gate.blobRequests() >= 1 && gate.blobRequests() <= 2,
      `${String(gate.blobRequests())} blobs were fetched`,
    );
  });
});

/** A program that fetches an image. */
function fetching(folder: string, image: PlannedImage): string {
  const module = (path: string): string => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
  return `
    import { fetchImages } from ${module("images/fetch-images.ts")};
    import { openStore } from ${module("store/file-store.ts")};
    import { silentJournal as journal } from ${module("core/journal.ts")};
    const store = await openStore(${JSON.stringify(join(folder, "store"))}, { runId: "killed", description: "the test" });
    const source = { kind: "registries", access: {} };
    await fetchImages([${JSON.stringify(image)}], { store, source, journal, signal: new AbortController().signal });`;
}
