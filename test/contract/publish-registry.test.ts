import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makePublishPlan } from "../../src/publish/plan.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { ReferrersApi } from "../counterparts/registry/referrers-api.ts";
import type { RegistryFront } from "../counterparts/registry/registry-front.ts";
import { LAYER_SIZES, publishableBuild } from "./publish-build.ts";
import { chainOf, figure, RegistryRelease } from "./publish-registry-release.ts";
import { publishAll, type RegistryTestWorld } from "./registry-world.ts";

const { signal } = new AbortController();

describe("publishing to a registry", function () {
  this.timeout(300_000);
  let release: RegistryRelease;
  let world: RegistryTestWorld;
  let front: RegistryFront;
  let build: ReleaseBuild;

  before(async () => {
    release = await RegistryRelease.start();
    ({ world, front, build } = release);
  });
  after(() => release[Symbol.asyncDispose]());
  beforeEach(() => release.reset());

  it("puts an image there that comes back with the same digest, and tells of it", async () => {
    const registry = await release.publisher("same/image");
    const { plan } = await publishAll([build], [registry], release.storeOf("same-image"));
    assert.deepEqual(
      plan.steps.map(({ kind, phase }) => `${phase} ${kind}`),
      ["stage push", "register attach", "verify check", "promote tag"],
    );
    const copy = join(release.path, "copied-back");
    await world.skopeo(
      "copy",
      "--quiet",
      "--preserve-digests",
      `docker://${front.host}/same/image:1.0`,
      `oci:${copy}:v`,
    );
    const { manifests } = JSON.parse(await readFile(join(copy, "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    const [image] = await registry.published([build], signal);
    assert.equal(image?.id, `${front.host}/same/image@${manifests[0]?.digest ?? ""}`);
    assert.deepEqual([image.public, image.details["tags"], image.version], [false, ["1.0"], "1.0"]);
  });

  it("changes nothing when everything is there", async () => {
    const registry = await release.publisher("twice/image");
    await publishAll([build], [registry], release.storeOf("twice-image"));
    front.reset();
    const again = await publishAll([build], [await release.publisher("twice/image")], release.storeOf("twice-image"));
    assert.deepEqual([again.plan.steps.length, front.mutations.length], [0, 0]);
    figure(`second run: ${front.requests.length} requests, ${front.mutations.length} of them mutating`);
  });

  it("moves only what the next version of a base adds", async () => {
    const store = "delta";
    await publishAll([build], [await release.publisher("delta/node", { store })], release.storeOf(store));
    const whole = front.blobBytes;
    front.reset();
    await publishAll(
      [await release.nextVersion("1.1")],
      [await release.publisher("delta/node", { store })],
      release.storeOf(store),
    );
    const share = front.blobBytes / whole;
    figure(`1.0 moved ${whole} bytes, 1.1 moved ${front.blobBytes}: ${(share * 100).toFixed(1)} %`);
    assert.ok(share < 0.1, String(share));
  });

  it("mounts what another repository of the registry has, and uploads it where mounting is refused", async () => {
    const store = "mount";
    await publishAll([build], [await release.publisher("mount/first", { store })], release.storeOf(store));
    front.reset();
    const mounted = await publishAll(
      [build],
      [await release.publisher("mount/second", { store })],
      release.storeOf(store),
    );
    const push = [...mounted.results.values()].find((result) => result && "mounted" in result);
    assert.deepEqual([push?.["mounted"], push?.["sentBytes"]], [4, 0]);
    assert.ok(front.blobBytes < 10_000, `${front.blobBytes} bytes of documents alone`);
    front.reset();
    front.fault = ({ path }) => (path.includes("mount=") ? { kind: "no-mount" } : undefined);
    await publishAll([build], [await release.publisher("mount/third", { store })], release.storeOf(store));
    assert.ok(front.blobBytes > LAYER_SIZES.base);
    assert.deepEqual(
      Object.keys(await world.tags(front, "mount/third")),
      [referrersTagOf(build, await release.digestOf("mount/third")), "1.0"].sort(),
    );
  });

  const timesOf = ({ mutations, begun }: RegistryFront): { readonly first: number; readonly last: number } => {
    const times = mutations.map(({ atMs }) => begun + atMs);
    return { first: Math.min(...times), last: Math.max(...times) };
  };
  const referrersTagOf = (_build: ReleaseBuild, digest: string): string => digest.replace(":", "-");

  it("puts an index over several architectures, the same in two registries at once", async () => {
    const arm = await publishableBuild({
      folder: join(release.path, "arm"),
      chain: chainOf(release.files),
      arch: "arm64",
    });
    const store = "index";
    const [one, two] = world.fronts;
    const registries = await Promise.all(
      [one, two].map(({ host }, index) =>
        release.publisher("", {
          store,
          name: `r${index}`,
          repository: `${host}/multi/{template}`,
          tags: ["{version}", "{version}-{arch}"],
        }),
      ),
    );
    await publishAll([build, arm], registries, release.storeOf(store));
    const [first, second] = await Promise.all([one, two].map((each) => world.tags(each, "multi/node")));
    assert.deepEqual(first, second);
    assert.deepEqual(
      Object.keys(first ?? {}).filter((tag) => !tag.startsWith("sha256-")),
      ["1.0", "1.0-amd64", "1.0-arm64"],
    );
    const index = JSON.parse((await world.ask(one, "multi/node/manifests/1.0")).body) as {
      manifests: { digest: string }[];
    };
    assert.deepEqual(
      index.manifests.map(({ digest }) => digest),
      [first?.["1.0-amd64"], first?.["1.0-arm64"]],
    );
    const [a, b] = [timesOf(one), timesOf(two)];
    assert.ok(a.first < b.last && b.first < a.last, "one after the other");
  });

  for (const [scheme, api, name, taggedStatus] of [
    ["under a tag where there is no API", undefined, "none", 200],
    ["by the API", new ReferrersApi(), "api", 404],
    [
      "under a tag, too, where the API does not say that it took notice",
      new ReferrersApi({ saysSubject: false }),
      "both",
      200,
    ],
  ] as const) {
    it(`attaches SBOM, verification and provenance ${scheme}, once`, async () => {
      front.referrers = api;
      const repository = `referrers/${name}`;
      await publishAll([build], [await release.publisher(repository)], release.storeOf(repository.replace("/", "-")));
      const subject = await release.digestOf(repository);
      const tagged = await world.ask(front, `${repository}/manifests/${subject.replace(":", "-")}`);
      assert.equal(tagged.status, taggedStatus);
      const listed = api?.listing("GET", `/v2/${repository}/referrers/${subject}`) ?? tagged.body;
      const { manifests } = JSON.parse(listed) as { manifests: { artifactType: string; digest: string }[] };
      assert.deepEqual(manifests.map(({ artifactType }) => artifactType).sort(), [
        "application/spdx+json",
        "application/vnd.in-toto+json",
        "application/vnd.kubevirt.kvci-build.verification.v1+json",
      ]);
      front.reset();
      assert.deepEqual((await makePublishPlan([build], [await release.publisher(repository)], signal)).steps, []);
      assert.equal(front.mutations.length, 0);
    });
  }
});
