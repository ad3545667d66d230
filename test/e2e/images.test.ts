import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageEntry } from "../../src/core/lock.ts";
import { resolveImage } from "../../src/images/resolve-image.ts";
import { readBuildRecord } from "../../src/pipeline/build-record.ts";
import { RegistryWorld } from "../world/registry.ts";
import { clusterImages, fill } from "../world/small-images.ts";
import { ranSteps, Workspace, type Ended } from "./kvci.ts";

const { signal } = new AbortController();

/** What containerd has after a build, as it says itself when it is started again. */
const LOOK = `defineStep("look", [run("sh", "-ec", \`
  echo "state $(systemctl is-active containerd || true)"
  systemctl start containerd
  until ctr version > /dev/null 2>&1; do sleep 0.5; done
  ctr -n k8s.io images ls | awk 'NR > 1 { print "listed", $1, $3, $0 ~ /io.cri-containerd.image=managed/ }'
  ctr -n k8s.io images check | awk 'NR > 1 { print "checked", $1, $4, $NF }'
  echo "ingests $(ls /var/lib/containerd/io.containerd.content.v1.content/ingest | wc -l)"
  echo "disks $(ls -d /sys/block/sd* 2> /dev/null | wc -l)"
  systemctl stop containerd\`)])`;

function template(name: string, refs: readonly string[], more = ""): string {
  return `import { defineStep, defineTemplate, installPackages, loadImages, packages, phase, run, volatile } from "kvci-build";
export default defineTemplate({
  name: ${JSON.stringify(name)},
  base: packages({ distribution: "debian", release: "12" }),
  disk: { sizeGiB: 3 },
  machine: { memoryMiB: 1024, cpus: 2 },
  steps: [
    ...phase("runtime", [
      installPackages(["containerd"]),
      defineStep("stopped", [run("systemctl", "disable", "--now", "containerd.service")]),
    ]),
    ...phase("images", [defineStep("images", [loadImages("containerd", { images: ${JSON.stringify(refs)} })])]),
    volatile(${LOOK}),
  ],
  ${more}
});
`;
}

describe("container images in a template", () => {
  let registry: RegistryWorld;
  let folder: string;
  let workspace: Workspace;
  const entries = new Map<string, ImageEntry>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvci-e2e-images-"));
    registry = await RegistryWorld.start(folder);
    for (const ref of await fill(registry, clusterImages(7))) {
      const resolved = await resolveImage(ref, { access: { env: registry.env }, signal });
      entries.set(ref, { ...resolved, resolvedAt: new Date().toISOString() });
    }
    const containerImages = Object.fromEntries(entries);
    workspace = await Workspace.create(
      { "kvci-build.lock.json": JSON.stringify({ formatVersion: 1, containerImages }) },
      registry.env,
      { firstBoot: true },
    );
  });
  after(async () => {
    await workspace.remove();
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    assert.deepEqual(await workspace.processes(), []);
    assert.deepEqual(await workspace.leftovers(), []);
  });

  const build = async (name: string): Promise<Ended> =>
    workspace.run(["template", `${name}.ts`, "--no-verify", "--json"]);

  /** Asserts that containerd listed exactly these images, each by tag and by digest, whole, unpacked and known to kubelet. */
  function assertListed(ended: Ended, refs: readonly string[]): void {
    // An event holds a line or more of them, without the end of the last.
    const said = ended.events.flatMap((event) => (event.type === "output" ? event.text.split("\n") : []));
    const named = refs.flatMap((ref) => {
      const digest = entries.get(ref)?.digest ?? "";
      return [ref, `${ref.replace(/:[^:]*$/, "")}@${digest}`].map((name) => [name, digest] as const);
    });
    for (const [name, digest] of named) {
      assert.ok(said.includes(`listed ${name} ${digest} 1`), `${name} ${digest} is not listed`);
      assert.ok(said.includes(`checked ${name} complete true`), `${name} is not complete`);
    }
    const tagged = said.filter((line) => line.startsWith("listed ") && !/^listed (?:sha256:|\S+@)/.test(line));
    assert.equal(tagged.length, refs.length, tagged.join("\n"));
    // What the import started was stopped again, and neither half a blob nor a disk is left.
    for (const line of ["state inactive", "ingests 0", "disks 0"]) assert.ok(said.includes(line), line);
  }

  it("are fetched on the host, imported and listed by digest, also those of indexes and of Docker's format", async () => {
    const refs = [...entries.keys()].filter((_, index) => [0, 1, 4, 6].includes(index));
    await workspace.write("first.ts", template("first", refs));
    const ended = await build("first");
    assert.equal(ended.status, 0, ended.stderr.slice(-4000));
    assertListed(ended, refs);
    const { images } = await readBuildRecord(workspace.path("out/first/amd64"));
    assert.equal(images?.runtime, "containerd");
    const expected = [...refs].sort().map((ref) => {
      const { digest = "", platforms } = entries.get(ref) ?? {};
      return { ref, digest, manifest: platforms?.amd64?.manifest, bytes: platforms?.amd64?.bytes };
    });
    assert.deepEqual(images.list, expected);
  });

  it("of another list make another last layer, on the same layers", async () => {
    const refs = [...entries.keys()].slice(0, 3);
    await workspace.write("second.ts", template("second", refs));
    const ended = await build("second");
    assert.equal(ended.status, 0, ended.stderr.slice(-4000));
    assert.deepEqual(ranSteps(ended), ["images", "look"]);
    assertListed(ended, refs);
  });

  it("that are more than the template allows fail the build before they are fetched, with the largest named", async () => {
    const refs = [...entries.keys()];
    await workspace.write("large.ts", template("large", refs, "maxLayerMiB: { images: 0.2 },"));
    const ended = await build("large");
    assert.equal(ended.status, 6, ended.stderr.slice(-4000));
    assert.match(
      ended.stderr,
      /phase \\"images\\" may take 0\.20 MiB, but its container images alone take 0\.\d\d MiB/,
    );
    assert.match(ended.stderr, /MiB {2}image localhost:\d+\/cluster\/image-\d:v1\.\d, compressed/);
  });
});
