import assert from "node:assert/strict";
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseLock, type Lock } from "../../src/core/lock.ts";
import { readBuildRecord } from "../../src/pipeline/build-record.ts";
import { kubernetesNode } from "../../templates/kubernetes/node.ts";
import RELEASES from "../../templates/kubernetes/versions.json" with { type: "json" };
import { HttpProxy } from "../fakes/http-proxy.ts";
import { command } from "../world/command.ts";
import { NEWEST_REVISION } from "../world/kubernetes-packages.ts";
import { KubernetesWorld } from "../world/kubernetes-world.ts";
import { staticServer, type StaticServer } from "../world/static-server.ts";
import { ranSteps, warnings, Workspace, type Ended } from "./kvci.ts";

const MINOR = "1.31";
const TEMPLATES = join(import.meta.dirname, "../../templates/kubernetes");
const MINUTE_MS = 60_000;
/** Names of what all templates of this test are locked for. */
const ALL = [`k8s-${MINOR}.ts`, `k8s-${MINOR}-slim.ts`, "other.ts"];

/** Fails where the guest reaches anything: this host's own server, its gateway, names, the internet. */
function aloneScript(port: number): string {
  const reached = (host: string, at: number): string =>
    `timeout 5 bash -c '</dev/tcp/${host}/${String(at)}' 2> /dev/null`;
  return [
    `! ${reached("10.0.2.2", port)} || { echo the host is reached; exit 1; }`,
    `! ${reached("10.0.2.2", 22)} || { echo the gateway is reached; exit 1; }`,
    "! timeout 5 getent hosts deb.debian.org || { echo names are looked up; exit 1; }",
    `! ${reached("151.101.2.132", 80)} || { echo the internet is reached; exit 1; }`,
  ].join("\n");
}

/** iSCSI and LVM have the initrd made anew, each time for two minutes where there is no KVM; that of the base boots the disk, too. */
const SAME_INITRD = "echo update_initramfs=no > /etc/initramfs-tools/update-initramfs.conf";

/** Every image that a manifest on the node names is on the node. */
const MANIFESTS_SCRIPT = `
systemctl start containerd
ctr --namespace k8s.io images ls --quiet > /run/listed
find /etc/kubernetes/cni /etc/kubernetes/addons -name '*.y*ml' -exec sed -n -E 's/^[ -]*image: *"?([^" ]+).*/\\1/p' {} + | sort -u > /run/named
systemctl stop containerd
[ "$(wc -l < /run/named)" -ge 20 ]
missing=$(grep -v -x -F -f /run/listed /run/named || :)
[ -z "$missing" ] || { echo "not in the store: $missing"; exit 1; }
rm /run/listed /run/named`;

/** The family's template on a smaller disk, with a look around at its beginning and, where all images are there, at its end. */
function nodeTemplate(profile: "slim" | "full", port: number): string {
  const step = (name: string, script: string): string =>
    `defineStep(${JSON.stringify(name)}, [run("bash", "-ec", ${JSON.stringify(script)})])`;
  const last = profile === "full" ? [step("manifests", MANIFESTS_SCRIPT)] : [];
  return `import { defineStep, run } from "kvci-build";
import { kubernetesNode } from "./kubernetes/node.ts";
const node = kubernetesNode("${MINOR}", { profile: "${profile}" });
export default {
  ...node,
  arches: ["amd64"],
  disk: { sizeGiB: 8 },
  machine: { memoryMiB: 2048, cpus: 2, firmware: "uefi" },
  outputs: ["container-disk"],
  checks: ["node"],
  steps: [${step("initrd", SAME_INITRD)}, ${step("alone", aloneScript(port))}, ...node.steps, ${last.join("")}],
};
`;
}

const OTHER = `import { cloudImage, defineTemplate } from "kvci-build";
export default defineTemplate({ name: "other", base: cloudImage({ distribution: "centos", release: "10" }) });
`;

function environmentText(environment: object): string {
  return `import { defineEnvironment } from "kvci-build";\nexport default defineEnvironment(${JSON.stringify(environment)});\n`;
}

describe("a Kubernetes node without a network", () => {
  const mirror = (): string => workspace.path("mirror");
  let workspace: Workspace;
  let world: KubernetesWorld;
  let server: StaticServer;
  let lock: Lock;
  /** Host and port of everything that parts came from; the world's are known only while it is there. */
  let places: readonly string[];

  before(async function () {
    this.timeout(10 * MINUTE_MS);
    const release = RELEASES[MINOR];
    world = await KubernetesWorld.start({ template: kubernetesNode(MINOR), minor: MINOR, versions: release });
    workspace = await Workspace.create({ "kvci-build.lock.json": '{ "formatVersion": 1 }\n', "other.ts": OTHER });
    await mkdir(mirror());
    server = await staticServer(mirror());
    places = [...world.places, new URL(server.url).host];
    await cp(TEMPLATES, workspace.path("kubernetes"), { recursive: true });
    await workspace.write(`k8s-${MINOR}.ts`, nodeTemplate("full", server.port));
    await workspace.write(`k8s-${MINOR}-slim.ts`, nodeTemplate("slim", server.port));
    await workspace.write("upstream.ts", environmentText(world.environment));
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
    await workspace.remove();
  });

  /** Where the world can be reached; with a store that is not the builder's. */
  const outside = (args: readonly string[]): Promise<Ended> =>
    workspace.run([...args, "--env", "./upstream.ts"], { ...world.env, KVCI_BUILD_STORE: workspace.path("outside") });

  it("is locked against what the world has", async function () {
    this.timeout(10 * MINUTE_MS);
    const ended = await outside(["lock", ...ALL]);
    assert.equal(ended.status, 0, ended.stderr.slice(-6000));
    lock = parseLock(JSON.parse(await readFile(workspace.path("kvci-build.lock.json"), "utf8")), "the lock");
    assert.deepEqual(Object.keys(lock.containerImages), world.images);
    assert.ok(world.images.length >= 60, `${String(world.images.length)} images`);
    const { version, criTools, kubernetesCni } = RELEASES[MINOR];
    const sets = Object.values(lock.packages["debian-12-amd64"] ?? {}).flatMap(({ packages }) =>
      Object.entries(packages),
    );
    const chosen = sets.flatMap(([name, each]) => (each.url.includes("pkgs.k8s.io") ? [[name, each.version]] : []));
    assert.deepEqual(Object.fromEntries(chosen), {
      "cri-tools": `${criTools}-${NEWEST_REVISION}`,
      kubeadm: `${version}-${NEWEST_REVISION}`,
      kubectl: `${version}-${NEWEST_REVISION}`,
      kubelet: `${version}-${NEWEST_REVISION}`,
      "kubernetes-cni": `${kubernetesCni}-${NEWEST_REVISION}`,
    });
    assert.match(lock.cloudImages["centos-10-amd64"]?.source ?? "", /^https:\/\/cloud\.centos\.org\/.*\/CHECKSUM$/);
    // Nothing else was asked of the world at large: the image's place, which no mirror stands for, and that of packages for the names
    // by hash, which the mirror does not have and the proxy does not lead to.
    assert.deepEqual(new Set(world.proxied), new Set(["CONNECT cloud.centos.org:443", "CONNECT pkgs.k8s.io:443"]));
  });

  it("is collected into a folder, and then nothing of the world is left", async function () {
    this.timeout(10 * MINUTE_MS);
    const ended = await outside(["lock", ...ALL, "--fetch", mirror()]);
    assert.equal(ended.status, 0, ended.stderr.slice(-6000));
    await world[Symbol.asyncDispose]();
    await rm(workspace.path("outside"), { recursive: true });
  });

  it("is built from that folder alone, its base included", async function () {
    this.timeout(30 * MINUTE_MS);
    const airgap = { baseUrl: server.url, network: "isolated", locked: true };
    await workspace.write("airgap.ts", environmentText(airgap));
    await rm(join(workspace.store, "entries/bases"), { recursive: true });
    const slim = await build(`k8s-${MINOR}-slim.ts`, "--no-verify");
    assert.ok(ranSteps(slim).includes("images-cluster") && !ranSteps(slim).includes("addon-images"));
  });

  it("gets more images with its last phase alone, and passes the checks of nodes", async function () {
    this.timeout(15 * MINUTE_MS);
    const full = await build(`k8s-${MINOR}.ts`);
    assert.deepEqual(ranSteps(full), ["addon-images", "manifests"]);
    const { images } = await readBuildRecord(out());
    assert.deepEqual(
      images?.list.map(({ ref, digest }) => [ref, digest]),
      wantedImages().map((ref) => [ref, lock.containerImages[ref]?.digest]),
    );
    const text = await readFile(join(out(), "verification-node-qemu.json"), "utf8");
    const { findings } = JSON.parse(text) as { findings: { check: string; ok: boolean; detail: string }[] };
    const present = findings.find(({ check }) => check === "images-present");
    assert.equal(present?.detail, `all ${String(wantedImages().length)}, by digest`);
    assert.ok(findings.every(({ ok }) => ok));
  });

  it("has every package in the version of the lock", async () => {
    const text = await readFile(join(out(), "packages.json"), "utf8");
    const { packages } = JSON.parse(text) as { packages: { name: string; version: string }[] };
    const there = new Map(packages.map(({ name, version }) => [name, version]));
    const sets = Object.values(lock.packages["debian-12-amd64"] ?? {});
    const locked = new Map(sets.flatMap((set) => Object.entries(set.packages)));
    assert.ok(locked.size > 200, `${String(locked.size)} packages`);
    for (const [name, { version }] of locked) assert.equal(there.get(name), version, name);
  });

  it("keeps no trace of where its parts came from", async () => {
    const layers = (await workspace.layers()).map(({ path }) => path);
    assert.ok(layers.length > 30, `${String(layers.length)} layers`);
    const patterns = places.flatMap((place) => ["-e", place]);
    const search = 'grep --text --files-with-matches --fixed-strings "$@"; [ $? -eq 1 ]';
    await command(["sh", "-c", search, "grep", ...patterns, ...layers, join(out(), "disk.qcow2")]);
  });

  const out = (): string => workspace.path(`out/k8s-${MINOR}/amd64`);

  /** Calico's manifest is locked as it is published, and stored with images of another registry. */
  const wantedImages = (): string[] =>
    Object.keys(lock.containerImages).filter((ref) => !ref.startsWith("docker.io/calico/"));

  /** Builds where nobody answers but the mirror. */
  async function build(name: string, ...more: readonly string[]): Promise<Ended> {
    // What asks another server by its name asks this proxy, and gets no answer.
    const nobody = await HttpProxy.start({});
    try {
      const proxies = { HTTP_PROXY: nobody.url, HTTPS_PROXY: nobody.url, NO_PROXY: "127.0.0.1,localhost" };
      const ended = await workspace.run(
        ["template", name, "--env", "./airgap.ts", "--locked", "--json", ...more],
        proxies,
      );
      assert.equal(ended.status, 0, ended.stderr.slice(-6000));
      assert.deepEqual([nobody.requests, warnings(ended)], [[], []]);
      return ended;
    } finally {
      await nobody[Symbol.asyncDispose]();
    }
  }
});
