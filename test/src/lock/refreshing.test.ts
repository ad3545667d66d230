import assert from "node:assert/strict";
import { cloudImage } from "../../../src/core/base.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { EMPTY_LOCK, type Lock } from "../../../src/core/lock.ts";
import type { Need, PackagesNeed } from "../../../src/core/need.ts";
import type { Platform } from "../../../src/core/platform.ts";
import type { LockTarget } from "../../../src/lock/lock-targets.ts";
import { refreshing, withoutOutdated } from "../../../src/lock/refreshing.ts";
import type { LockPorts } from "../../../src/lock/resolve-lock.ts";

const resolvedAt = "2026-01-02T03:04:05Z";
const old = sha256("old");
const fresh = sha256("fresh");
const IMAGE = cloudImage({ distribution: "debian", release: "12" });
const PLATFORM: Platform = {
  os: "linux",
  arch: "amd64",
  family: "apt",
  distribution: "debian",
  release: "12",
  bootLoader: "grub",
};

function packagesNeed(...names: readonly string[]): PackagesNeed {
  return { kind: "packages", set: "tools", names, recommends: false };
}

const LOCK: Lock = {
  ...EMPTY_LOCK,
  cloudImages: {
    "debian-12-amd64": { url: "https://c.example/a", digest: old, source: "https://c.example/SUMS", resolvedAt },
  },
  packages: { "debian-12-amd64": { tools: { wants: ["jq", "curl"], recommends: false, packages: {}, resolvedAt } } },
  files: { "https://f.example/a": { digest: old, bytes: 1, resolvedAt } },
  manifests: { "https://m.example/a": { digest: old, bytes: 1, images: ["r.example/named:1"], resolvedAt } },
  containerImages: { "r.example/a:1": { digest: old, platforms: {}, resolvedAt } },
};

/** Everything they are asked for is fresh; what that was is noted. */
function ports(): LockPorts & { readonly asked: string[] } {
  const asked: string[] = [];
  const answer = <T>(what: string, value: T): Promise<T> => {
    asked.push(what);
    return Promise.resolve(value);
  };
  return {
    asked,
    cloudImage: () =>
      answer("cloud image", {
        url: "https://c.example/b",
        digest: fresh,
        source: "https://c.example/SUMS",
        resolvedAt,
      }),
    packages: () => answer("packages", {}),
    file: () => answer("file", { digest: fresh, bytes: 1 }),
    manifest: () => answer("manifest", { digest: fresh, bytes: 1, images: [], untagged: [] }),
    image: () => answer("image", { digest: fresh, platforms: {} }),
    now: () => new Date(0),
  };
}

async function askAll(given: LockPorts, names: readonly string[] = ["curl", "jq"]): Promise<void> {
  await given.cloudImage(IMAGE, "amd64");
  await given.packages({ platform: PLATFORM, basePackages: [], needs: [packagesNeed(...names)], dir: "/" });
  await given.file("https://f.example/a");
  await given.manifest("https://m.example/a");
  await given.image("r.example/a:1");
}

describe("refreshing a lock", () => {
  const cases = [
    [{ base: false, images: false }, []],
    [{ base: true, images: false }, ["cloud image", "packages", "file"]],
    [{ base: false, images: true }, ["manifest", "image"]],
  ] as const;
  for (const [kinds, expected] of cases) {
    it(`asks for ${expected.join(", ") || "nothing"} with ${JSON.stringify(kinds)}`, async () => {
      const asking = ports();
      await askAll(refreshing(asking, LOCK, kinds));
      assert.deepEqual(asking.asked, expected);
    });
  }

  it("asks for whatever the lock lacks", async () => {
    const asking = ports();
    await askAll(refreshing(asking, EMPTY_LOCK, { base: false, images: false }));
    assert.deepEqual(asking.asked, ["cloud image", "packages", "file", "manifest", "image"]);
  });

  it("asks for packages that were locked for other wishes", async () => {
    const asking = ports();
    await askAll(refreshing(asking, LOCK, { base: false, images: false }), ["curl", "jq@1.7"]);
    assert.deepEqual(asking.asked, ["packages"]);
  });
});

describe("a lock without what is outdated", () => {
  const target = (...needs: readonly Need[]): LockTarget => ({
    template: "t",
    arch: "amd64",
    platform: PLATFORM,
    cloudImage: undefined,
    basePackages: [],
    needs,
    dir: "/",
  });
  const file: Need = { kind: "file", url: "https://f.example/a" };
  const image: Need = { kind: "container-image", ref: "r.example/a:1" };

  it("lacks what was wanted and is not any more; what somebody else wants stays", () => {
    const lock = withoutOutdated(LOCK, { before: [target(file, image, packagesNeed("jq"))], now: [target(image)] });
    assert.deepEqual(lock.files, {});
    assert.deepEqual(lock.packages, {});
    assert.deepEqual(lock.containerImages, LOCK.containerImages);
  });

  it("keeps what these templates never wanted", () => {
    assert.deepEqual(withoutOutdated(LOCK, { before: [], now: [] }), LOCK);
  });
});
