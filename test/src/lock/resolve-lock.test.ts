import assert from "node:assert/strict";
import { cloudImage } from "../../../src/core/base.ts";
import { KvciError } from "../../../src/core/error.ts";
import { silentJournal } from "../../../src/core/journal.ts";
import { EMPTY_LOCK, parseLock, type Lock } from "../../../src/core/lock.ts";
import { failedTogether } from "../../../src/lock/answers.ts";
import type { LockTarget } from "../../../src/lock/lock-targets.ts";
import { resolveLock, type LockPorts, type LockUpdate } from "../../../src/lock/resolve-lock.ts";
import { fakeSources, packageSet, packagesNeed, target } from "./fake-sources.ts";

const FILE = "https://files.example/crictl.tar.gz";
const MANIFEST = "https://files.example/flannel.yaml";
const PAUSE = "registry.example/pause:3.10";
const FLANNEL = "ghcr.example/flannel:v1";

const needs = [
  { kind: "file", url: FILE },
  { kind: "manifest", url: MANIFEST },
  { kind: "container-image", ref: PAUSE },
  packagesNeed("kubelet", "kubelet@1.31.*"),
] as const;
const everything = {
  files: { [FILE]: "tar" },
  manifests: { [MANIFEST]: [FLANNEL] },
  images: { [PAUSE]: ["amd64", "arm64"], [FLANNEL]: ["amd64"] },
  packages: { kubelet: { kubelet: packageSet(["kubelet@1.31.*"], { kubelet: "1.31.2", conntrack: "1" }) } },
  cloudImages: { "9 amd64": "centos-1" },
} as const;

function resolve(lock: Lock, targets: readonly LockTarget[], ports: LockPorts): Promise<LockUpdate> {
  return resolveLock(lock, targets, { ports, journal: silentJournal });
}

describe("resolving a lock", () => {
  it("finds out what everything is, the images of manifests included", async () => {
    const { ports, asked } = fakeSources(everything);
    const centos = cloudImage({ distribution: "centos", release: "9" });
    const { lock, failures } = await resolve(EMPTY_LOCK, [target("node", needs, { cloudImage: centos })], ports);
    assert.deepEqual(failures, []);
    assert.deepEqual(parseLock(JSON.parse(JSON.stringify(lock)), "lock"), lock);
    assert.deepEqual(Object.keys(lock.cloudImages), ["centos-9-amd64"]);
    assert.deepEqual(Object.keys(lock.packages["debian-12-amd64"]?.["kubelet"]?.packages ?? {}), [
      "kubelet",
      "conntrack",
    ]);
    assert.equal(lock.files[FILE]?.bytes, 3);
    assert.deepEqual(lock.manifests[MANIFEST]?.images, [FLANNEL]);
    assert.deepEqual(Object.keys(lock.containerImages).sort(), [FLANNEL, PAUSE]);
    assert.equal(asked.length, new Set(asked).size);
  });

  it("asks once for what several templates want, and keeps what none of them does", async () => {
    const { ports, asked } = fakeSources(everything);
    const before = (await resolve(EMPTY_LOCK, [target("node", needs)], ports)).lock;
    asked.length = 0;
    const file = { kind: "file", url: FILE } as const;
    const { lock } = await resolve(before, [target("a", [file]), target("b", [file, file])], ports);
    assert.deepEqual(asked, [FILE]);
    assert.deepEqual(lock, before);
  });

  it("keeps the dates of what did not change", async () => {
    const { ports, sources } = fakeSources(everything);
    const before = (await resolve(EMPTY_LOCK, [target("node", needs)], ports)).lock;
    sources.date = "2026-05-05T00:00:00.000Z";
    assert.deepEqual((await resolve(before, [target("node", needs)], ports)).lock, before);
    sources.files = { [FILE]: "tar 2" };
    sources.packages = { kubelet: { kubelet: packageSet(["kubelet@1.31.*"], { kubelet: "1.31.3" }) } };
    const { lock } = await resolve(before, [target("node", needs)], ports);
    assert.equal(lock.files[FILE]?.resolvedAt, sources.date);
    const set = lock.packages["debian-12-amd64"]?.["kubelet"];
    assert.deepEqual([set?.resolvedAt, Object.keys(set?.packages ?? {})], [sources.date, ["kubelet"]]);
    assert.deepEqual(lock.containerImages, before.containerImages);
  });

  it("leaves a template alone of which something is missing, names all that is, and locks the others", async () => {
    const { ports, sources } = fakeSources(everything);
    const before = (await resolve(EMPTY_LOCK, [target("node", needs)], ports)).lock;
    const gone = "https://files.example/gone";
    Object.assign(sources, { files: { [FILE]: "tar 2" }, images: { [PAUSE]: ["amd64"] } });
    const other = target("other", [{ kind: "container-image", ref: PAUSE }]);
    const { lock, failures } = await resolve(
      before,
      [target("node", [...needs, { kind: "file", url: gone }]), other],
      ports,
    );
    assert.deepEqual(lock.files, before.files);
    assert.deepEqual(Object.keys(lock.containerImages[PAUSE]?.platforms ?? {}), ["amd64"]);
    const error = failedTogether(failures, "resolve");
    assert.equal(error.code, "download-failed");
    assert.equal(error.message, `cannot resolve 2 entries, the first is file ${gone}: ${gone} is not here`);
    assert.deepEqual(error.evidence, [
      `file ${gone}: ${gone} is not here (download-failed)`,
      `container image ${FLANNEL}: ${FLANNEL} is not here (download-failed)`,
    ]);
  });

  it("says of a single failure what it says", async () => {
    const { failures } = await resolve(EMPTY_LOCK, [target("t", [{ kind: "file", url: FILE }])], fakeSources().ports);
    const error = failedTogether(failures, "resolve");
    assert.deepEqual([error.code, error.hint], ["download-failed", "Look elsewhere."]);
    assert.equal(error.message, `cannot resolve file ${FILE}: ${FILE} is not here`);
  });

  it("stops at what is not about one entry", async () => {
    const { ports } = fakeSources(everything);
    const file = (): Promise<never> => Promise.reject(new KvciError("store-full", "no space", { hint: "Make some." }));
    await assert.rejects(resolve(EMPTY_LOCK, [target("t", needs)], { ...ports, file }), { code: "store-full" });
  });

  it("misses an image on the architectures of the templates that want it there", async () => {
    const { ports } = fakeSources({ images: { [PAUSE]: ["arm64"] } });
    const image = { kind: "container-image", ref: PAUSE } as const;
    const targets = [target("amd", [image]), target("arm", [image], { arch: "arm64" })];
    const { lock, failures } = await resolve(EMPTY_LOCK, targets, ports);
    assert.deepEqual(
      failures.map(({ error }) => [error.code, error.message]),
      [["image-missing", `${PAUSE} is not made for amd64`]],
    );
    assert.deepEqual(Object.keys(lock.containerImages), [PAUSE]);
  });

  it("tells which references have no tag, and where", async () => {
    const ref = "docker.io/library/busybox:latest";
    const { ports } = fakeSources({ manifests: { [MANIFEST]: [ref] }, images: { [ref]: ["amd64"] } });
    const { untagged } = await resolve(EMPTY_LOCK, [target("t", [{ kind: "manifest", url: MANIFEST }])], ports);
    assert.deepEqual(untagged, [{ ref, manifest: MANIFEST }]);
  });
});

describe("package sets of several templates", () => {
  const alone = target("alone", [packagesNeed("containerd", "containerd")]);
  const behind = target("behind", [
    packagesNeed("tools", "jq"),
    packagesNeed("containerd", "containerd"),
    packagesNeed("last", "x"),
  ]);
  const last = packageSet(["x"], { x: "1" });
  const sets = {
    containerd: { containerd: packageSet(["containerd"], { containerd: "1.7", libc: "2" }) },
    last: {
      tools: packageSet(["jq"], { jq: "1", libc: "2" }),
      containerd: packageSet(["containerd"], { containerd: "1.7" }),
      last,
    },
  };

  it("have what either template needs, in whichever order they are locked", async () => {
    const { ports } = fakeSources({ packages: sets });
    const together = (await resolve(EMPTY_LOCK, [behind, alone], ports)).lock;
    assert.deepEqual(Object.keys(together.packages["debian-12-amd64"]?.["containerd"]?.packages ?? {}).sort(), [
      "containerd",
      "libc",
    ]);
    assert.deepEqual((await resolve(together, [behind], ports)).lock, together);
  });

  it("that contradict each other are an error, and the first stays", async () => {
    const contradicting = { ...sets, containerd: { containerd: packageSet(["containerd"], { containerd: "1.6" }) } };
    const { ports } = fakeSources({ packages: contradicting });
    const { lock, failures } = await resolve(EMPTY_LOCK, [behind, alone], ports);
    assert.deepEqual(
      failures.map(({ error }) => error.code),
      ["template-invalid"],
    );
    assert.equal(failures[0]?.entry, "packages debian-12-amd64 containerd");
    assert.equal(lock.packages["debian-12-amd64"]?.["containerd"]?.packages["containerd"]?.version, "1.7");
  });

  it("of bases may be of different packages", async () => {
    const ports = fakeSources().ports;
    const bases = [packageSet(["a"], { a: "1", libc: "2" }), packageSet(["b"], { b: "1", libc: "2" })];
    const one = target("one", [], { basePackages: ["a"] });
    const two = target("two", [], { basePackages: ["b"] });
    const packages: LockPorts["packages"] = ({ basePackages }) =>
      Promise.resolve({ base: bases[basePackages[0] === "a" ? 0 : 1]! });
    const { lock, failures } = await resolve(EMPTY_LOCK, [one, two], { ...ports, packages });
    assert.deepEqual(failures, []);
    const base = lock.packages["debian-12-amd64"]?.["base"];
    assert.deepEqual(
      [base?.wants, Object.keys(base?.packages ?? {}).sort()],
      [
        ["a", "b"],
        ["a", "b", "libc"],
      ],
    );
  });
});
