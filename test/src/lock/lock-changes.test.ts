import assert from "node:assert/strict";
import { sha256 } from "../../../src/core/digest.ts";
import { EMPTY_LOCK, type Lock } from "../../../src/core/lock.ts";
import { countSections, lockChanges } from "../../../src/lock/lock-changes.ts";
import { entriesFor } from "../../../src/lock/prune-lock.ts";
import { cloudImage } from "../../../src/core/base.ts";
import { packageSet, packagesNeed, target } from "./fake-sources.ts";

const AT = "2026-01-01T00:00:00.000Z";
const FILE = "https://files.example/f";

function lockWith(version: string, content = version): Lock {
  const file = { digest: sha256(content), bytes: 1, resolvedAt: AT };
  return {
    ...EMPTY_LOCK,
    cloudImages: {
      "centos-9-amd64": {
        url: `https://c.example/${version}.qcow2`,
        digest: sha256(content),
        source: "https://c.example/S",
        resolvedAt: AT,
      },
    },
    packages: { "debian-12-amd64": { set: { ...packageSet(["p"], { p: version }), resolvedAt: AT } } },
    files: { [FILE]: file },
    manifests: { "https://files.example/m": { ...file, images: ["r.example/i:1"] } },
    containerImages: { "r.example/i:1": { digest: sha256(content), platforms: {}, resolvedAt: AT } },
  };
}

describe("changes of a lock", () => {
  it("are old and new of every entry", () => {
    const changes = lockChanges(lockWith("1"), lockWith("2"));
    assert.deepEqual(
      changes.map(({ section, entry }) => `${section}: ${entry}`),
      [
        "cloud images: centos-9-amd64",
        "packages: debian-12-amd64 set p",
        `files: ${FILE}`,
        "manifests: https://files.example/m",
        "container images: r.example/i:1",
      ],
    );
    assert.deepEqual(
      changes.slice(0, 2).map(({ was, is }) => [was, is]),
      [
        ["1.qcow2", "2.qcow2"],
        ["1", "2"],
      ],
    );
  });

  it("tell by digests what has the same name", () => {
    const [image] = lockChanges(lockWith("1", "a"), lockWith("1", "b"));
    assert.deepEqual(
      [image?.was, image?.is],
      [`1.qcow2 (${sha256("a").slice(7, 19)})`, `1.qcow2 (${sha256("b").slice(7, 19)})`],
    );
  });

  it("are none where only dates differ", () => {
    const later = JSON.parse(JSON.stringify(lockWith("1")).replaceAll(AT, "2026-02-02T00:00:00.000Z")) as Lock;
    assert.deepEqual(lockChanges(lockWith("1"), later), []);
  });

  it("are counted by section", () => {
    const [from, to] = [lockWith("1"), { ...lockWith("2"), files: {} }];
    const counts = countSections(to, lockChanges(from, to));
    assert.deepEqual(
      counts.map(({ entries, added, changed, removed }) => [entries, added, changed, removed]),
      [
        [1, 0, 1, 0],
        [1, 0, 1, 0],
        [0, 0, 0, 1],
        [1, 0, 1, 0],
        [1, 0, 1, 0],
      ],
    );
  });
});

describe("entries of a lock for templates", () => {
  const base = { ...packageSet(["q"], { q: "1" }), resolvedAt: AT };
  const lock: Lock = {
    ...lockWith("1"),
    packages: { "debian-12-amd64": { ...lockWith("1").packages["debian-12-amd64"], base } },
  };

  it("are what these want and no more", () => {
    const manifest = { kind: "manifest", url: "https://files.example/m" } as const;
    const own = entriesFor(lock, [target("t", [manifest, packagesNeed("set", "p")])]);
    assert.deepEqual(own, { ...lock, cloudImages: {}, files: {}, packages: lockWith("1").packages });
  });

  it("have the base where that is made of packages, and the cloud image where it is one", () => {
    const centos = cloudImage({ distribution: "centos", release: "9" });
    const own = entriesFor(lock, [target("a", [], { basePackages: ["q"] }), target("b", [], { cloudImage: centos })]);
    assert.deepEqual(own, { ...EMPTY_LOCK, cloudImages: lock.cloudImages, packages: { "debian-12-amd64": { base } } });
  });
});
