import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fetchedFiles } from "../../src/cli/fetched-files.ts";
import { imageSourceOf } from "../../src/cli/image-access.ts";
import { sha256 } from "../../src/core/digest.ts";
import { defineEnvironment, type Environment } from "../../src/core/environment.ts";
import { silentJournal } from "../../src/core/journal.ts";
import type { Plan } from "../../src/core/plan.ts";
import { fetchImages } from "../../src/images/fetch-images.ts";
import { openStore } from "../../src/store/file-store.ts";
import type { Store } from "../../src/store/store.ts";
import { command } from "../world/command.ts";
import { staticServer } from "../world/static-server.ts";
import { DISK, environmentText, LockWorld } from "./lock-world.ts";

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const SITE = ["--env", "site"] as const;

describe("kvci-build lock", function () {
  this.timeout(120_000);
  let world: LockWorld;
  before(async () => {
    world = await LockWorld.start();
  });
  after(() => world[Symbol.asyncDispose]());

  it("is what a plan without entries asks for, naming them", async () => {
    const { status, stderr } = await world.run("template", "node", "--plan", ...SITE);
    assert.equal(status, 3, stderr);
    assert.match(stderr, /template "node": the lock has no file https:\/\/files\.example\/crictl\.tgz \(and 2 more\)/);
    assert.match(stderr, /missing: manifest https:\/\/files\.example\/flannel\.yaml/);
    assert.match(stderr, /kvci-build lock node/);
  });

  it("says with --check what it would resolve, without asking anybody", async () => {
    const before = world.upstream.requests.length;
    const { status, stdout } = await world.run("lock", "--check");
    assert.equal(status, 2, stdout);
    assert.match(stdout, /missing +container image localhost:\d+\/k8s\/pause:3\.10 +for node amd64/);
    assert.equal(world.upstream.requests.length, before);
    assert.equal(existsSync(world.lockPath), false);
  });

  it("writes nothing when a manifest is a web page, and says so", async () => {
    await world.serve("files.example/flannel.yaml", "<!DOCTYPE html><title>Sign in</title>");
    const { status, stderr } = await world.run("lock", "node", ...SITE);
    assert.equal(status, 5, stderr);
    assert.match(stderr, /https:\/\/files\.example\/flannel\.yaml is\s+not a Kubernetes manifest: it is a web page/);
    assert.equal(existsSync(world.lockPath), false);
    await world.serve("files.example/flannel.yaml", world.flannel("v1"));
  });

  it("resolves files, manifests and images to digests", async () => {
    const { status, stdout, stderr } = await world.run("lock", ...SITE);
    assert.equal(status, 0, stderr);
    const lock = await world.lock();
    assert.equal(lock.files["https://files.example/crictl.tgz"]?.digest, sha256("crictl 1.31"));
    const [pause = "", flannel = "", plugin = ""] = world.images;
    assert.deepEqual(lock.manifests["https://files.example/flannel.yaml"]?.images, [flannel, plugin]);
    assert.deepEqual(Object.keys(lock.containerImages).sort(), [...world.images].sort());
    assert.deepEqual(Object.keys(lock.containerImages[pause]?.platforms ?? {}).sort(), ["amd64", "arm64"]);
    assert.match(stdout, /crictl\.tgz +new +-> +[0-9a-f]{12}/);
    assert.match(stdout, /container images +3 +3 new/);
  });

  it("leaves the file as it is when nothing is new", async () => {
    const before = await readFile(world.lockPath, "utf8");
    const { status, stdout } = await world.run("lock", "node", ...SITE);
    assert.equal(status, 0);
    assert.match(stdout, /container images +3 +unchanged/);
    assert.equal(await readFile(world.lockPath, "utf8"), before);
    assert.equal((await world.run("lock", "--check")).status, 0);
  });

  it("names everything that cannot be resolved, and keeps the template's old entries", async () => {
    const before = await readFile(world.lockPath, "utf8");
    await world.serve("files.example/crictl.tgz", "crictl 1.32");
    const step = `defineStep("more", [fetchIn("https://files.example/gone", "/opt/gone"), loadImages("containerd", { images: ["${world.registry.host}/no/such:1"] })]),`;
    await world.write("templates/node.ts", world.template("node", step));
    const { status, stderr } = await world.run("lock", "node", ...SITE, "--json");
    await world.write("templates/node.ts", world.template("node", ""));
    assert.equal(status, 5);
    const { error } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as {
      error: { code: string; evidence: string[] };
    };
    assert.equal(error.code, "download-failed");
    assert.ok(
      error.evidence.some((line) => line.startsWith("file https://files.example/gone")),
      error.evidence.join("\n"),
    );
    assert.ok(
      error.evidence.some((line) => /no\/such:1.*\(image-missing\)/.test(line)),
      error.evidence.join("\n"),
    );
    assert.equal(await readFile(world.lockPath, "utf8"), before);
    await world.serve("files.example/crictl.tgz", "crictl 1.31");
  });

  it("is needed for packages by those who build from the lock alone", async () => {
    const step =
      'defineStep("tools", []), { name: "jq", ops: () => [], needs: () => [{ kind: "packages", set: "jq", names: ["jq"], recommends: false }] },';
    await world.write("templates/tools.ts", world.template("tools", step));
    assert.equal((await world.run("template", "tools", "--plan", ...SITE)).status, 0);
    const { status, stderr } = await world.run("template", "tools", "--plan", "--locked", ...SITE);
    await rm(join(world.folder, "templates/tools.ts"));
    assert.equal(status, 3, stderr);
    assert.match(stderr, /template "tools": the lock has no packages debian-12-amd64 jq/);
  });

  it("removes with --prune what no template wants", async () => {
    const step = 'defineStep("more", [fetchIn("https://files.example/extra", "/opt/extra")]),';
    await world.serve("files.example/extra", "extra");
    await world.write("templates/other.ts", world.template("other", step));
    assert.equal((await world.run("lock", "other", ...SITE)).status, 0);
    assert.ok((await world.lock()).files["https://files.example/extra"]);
    await world.run("lock", "node", "--prune", ...SITE);
    assert.ok((await world.lock()).files["https://files.example/extra"], "another template of the folder wants it");
    await rm(join(world.folder, "templates/other.ts"));
    const { stdout } = await world.run("lock", "node", "--prune", ...SITE);
    assert.match(stdout, /https:\/\/files\.example\/extra +[0-9a-f]{12} +-> +removed/);
    assert.equal((await world.lock()).files["https://files.example/extra"], undefined);
  });
});

describe("kvci-build lock --fetch", function () {
  this.timeout(120_000);
  let world: LockWorld;
  let mirror: string;
  before(async () => {
    world = await LockWorld.start();
    mirror = join(world.folder, "mirror");
    assert.equal((await world.run("lock", ...SITE)).status, 0);
  });
  after(() => world[Symbol.asyncDispose]());

  it("collects everything into one folder", async () => {
    const { status, stdout, stderr } = await world.run("lock", "--fetch", "mirror", ...SITE);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /files +3 .*3 of them/);
    assert.equal(await readFile(join(mirror, "files.example/crictl.tgz"), "utf8"), "crictl 1.31");
    assert.equal(await readFile(join(mirror, "cloud.example/disk.raw"), "utf8"), DISK);
    const list = JSON.parse(await readFile(join(mirror, "kvci-build.mirror.json"), "utf8")) as {
      files: object;
      images: object;
    };
    assert.equal(Object.keys(list.files).length, 3);
    assert.deepEqual(Object.keys(list.images), [...world.images].sort());
    assert.equal(existsSync(join(mirror, ".partial")), false);
  });

  it("has an OCI layout in it that others read", async () => {
    const lock = await world.lock();
    const layout = join(mirror, "images");
    const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8")) as { manifests: Descriptor[] };
    for (const ref of world.images) {
      const listed = index.manifests.find(
        ({ annotations }) => annotations["org.opencontainers.image.ref.name"] === ref,
      );
      assert.equal(listed?.digest, lock.containerImages[ref]?.digest);
      // skopeo passes over what an OCI layout has in Docker's format.
      if (!listed?.mediaType.includes(".oci.")) continue;
      assert.equal(sha256(await command(["skopeo", "inspect", "--raw", `oci:${layout}:${ref}`])), listed.digest);
    }
  });

  it("fetches nothing twice, and makes good what was damaged", async () => {
    const before = world.upstream.requests.length;
    const { stdout } = await world.run("lock", "--fetch", "mirror", ...SITE);
    assert.match(stdout, /files +3 .* 0 of them \(0 B\) new/);
    assert.match(stdout, /blobs of 3 container images +\d+ .* 0 of them \(0 B\) new/);
    assert.equal(world.upstream.requests.length, before);
    await rm(join(mirror, "files.example/crictl.tgz"));
    await writeFile(join(mirror, "files.example/crictl.tgz"), "damaged");
    await world.run("lock", "--fetch", "mirror", ...SITE);
    assert.equal(await readFile(join(mirror, "files.example/crictl.tgz"), "utf8"), "crictl 1.31");
  });

  it("gives a base URL that builds get everything from, and nothing else is asked", async () => {
    const served = await staticServer(mirror);
    await world.write("environments/air.ts", environmentText({ baseUrl: served.url, locked: true }));
    const before = world.upstream.requests.length;
    world.registry.gate.reset();
    const { stdout } = await world.run("template", "node", "--plan", "--json", "--env", "air");
    const plan = JSON.parse(stdout) as Plan;
    const store = await openStore(join(world.folder, "empty-store"), { runId: "test", description: "the test" });
    const environment = defineEnvironment({ baseUrl: served.url });
    const files = await fetchFilesOf(plan, store, environment);
    await fetchImagesOf(plan, store, environment);
    await served[Symbol.asyncDispose]();
    assert.equal(files, 2);
    assert.equal(world.upstream.requests.length, before);
  });

  it("says which file of the lock is another one by now", async () => {
    await rm(mirror, { recursive: true });
    await rm(join(world.folder, "store"), { recursive: true });
    await world.serve("files.example/crictl.tgz", "crictl 1.32");
    await rm(join(world.folder, "upstream/files.example/flannel.yaml"));
    const { status, stderr } = await world.run("lock", "--fetch", "mirror", ...SITE, "--json");
    assert.equal(status, 5);
    const { error } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as { error: { evidence: string[] } };
    const evidence = error.evidence.join("\n");
    assert.match(evidence, /https:\/\/files\.example\/crictl\.tgz: .*\(digest-mismatch\)/);
    assert.match(evidence, /https:\/\/files\.example\/flannel\.yaml: .*\(download-failed\)/);
    assert.ok(existsSync(join(mirror, "cloud.example/disk.raw")), "the rest is there");
  });
});

async function fetchFilesOf(plan: Plan, store: Store, environment: Environment): Promise<number> {
  const { signal } = new AbortController();
  const pin = (): Promise<void> => Promise.resolve();
  return (await fetchedFiles(plan, { store, environment, journal: silentJournal, signal, pin })).size;
}

async function fetchImagesOf(plan: Plan, store: Store, environment: Environment): Promise<void> {
  const { signal } = new AbortController();
  const images = plan.disk.steps
    .flatMap(({ ops }) => ops)
    .flatMap((op) => (op.kind === "load-images" ? op.images : []));
  assert.equal(images.length, 3);
  const source = await imageSourceOf(environment, store.root);
  await fetchImages(images, { store, signal, journal: silentJournal, source });
}
