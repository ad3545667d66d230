import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { digestOfFile } from "../../src/host/file-digest.ts";
import { runProgram } from "../../src/host/program.ts";
import type { AnyPublisher } from "../../src/publish/plan.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { oras } from "../contract/oras.ts";
import { LAYER_SIZES, layerFiles, publishableBuild } from "../contract/publish-build.ts";
import { testPublisher } from "../contract/publish-registry-setup.ts";
import { publishAll, takeBack } from "../contract/registry-world.ts";
import { scratchFolder } from "../src/oci/small-image.ts";
import { crane, INSTALL_MS, referrersRegistry } from "./peer-programs.ts";
import { servePeer, type Peer } from "./serve-peer.ts";

const { signal } = new AbortController();

interface Referrer {
  readonly artifactType: string;
}

describe("a registry with the referrers API, read by crane", function () {
  this.timeout(120_000);
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let peer: Peer;
  let reader: string;
  let registry: AnyPublisher;
  let builds: readonly ReleaseBuild[];
  let repository: string;

  before(async function () {
    this.timeout(INSTALL_MS);
    reader = await crane();
    peer = await servePeer([await referrersRegistry()]);
    scratch = await scratchFolder();
    repository = `${new URL(peer.endpoint).host}/kubevirtci/node`;
    const chain = Object.values(await layerFiles(join(scratch.path, "files"), LAYER_SIZES));
    builds = [
      await publishableBuild({ folder: join(scratch.path, "amd64"), chain }),
      await publishableBuild({ folder: join(scratch.path, "arm64"), chain: [...chain].reverse(), arch: "arm64" }),
    ];
    const tags = { floatingTags: ["latest"] };
    const target = {
      name: "peer",
      repository,
      image: "layered-disk",
      insecure: true,
      floatingTags: ["latest"],
    } as const;
    const { path: storeRoot } = scratch;
    registry = await testPublisher({ ...target, ...tags }, { storeRoot, oras: await oras(signal) });
    await publishAll(builds, [registry], storeRoot);
  });
  after(async () => {
    await peer[Symbol.asyncDispose]();
    await scratch.remove();
  });

  const ask = (...args: readonly string[]): Promise<string> =>
    runProgram([reader, ...args, "--insecure"], { signal, timeoutMs: 60_000 });
  const referrersOf = async (digest: string): Promise<readonly Referrer[]> => {
    const response = await fetch(`${peer.endpoint}/v2/kubevirtci/node/referrers/${digest}`);
    const { manifests } = (await response.json()) as { readonly manifests: readonly Referrer[] | null };
    return manifests ?? [];
  };

  it("has an index that crane finds whole, with the digests that we told of", async () => {
    const published = await registry.published(builds, signal);
    const index = (await ask("digest", `${repository}:1.0`)).trim();
    assert.deepEqual(
      published.map(({ details }) => details["index"]),
      [index, index],
    );
    for (const { arch, id } of published) {
      const digest = (await ask("digest", "--platform", `linux/${arch}`, `${repository}:1.0`)).trim();
      assert.equal(id, `${repository}@${digest}`);
      const copy = join(scratch.path, `copy-${arch}`);
      await ask("pull", "--format=oci", id, copy);
      const [blobs, own] = [await blobsIn(copy), await blobsIn(join(scratch.path, arch, "layered"))];
      assert.deepEqual(blobs, own);
    }
    assert.equal((await ask("digest", `${repository}:latest`)).trim(), index);
  });

  it("lists what is attached by its API alone, as it answers by OCI-Subject", async () => {
    for (const { id } of await registry.published(builds, signal)) {
      const [, digest = ""] = id.split("@");
      const types = (await referrersOf(digest)).map(({ artifactType }) => artifactType).sort();
      assert.deepEqual(types, [
        "application/spdx+json",
        "application/vnd.in-toto+json",
        "application/vnd.kubevirt.kvci-build.verification.v1+json",
      ]);
    }
    assert.deepEqual((await ask("ls", repository)).trim().split("\n").sort(), ["1.0", "latest"]);
  });

  it("is left as it is by a second run, and empty by a rollback", async () => {
    assert.deepEqual((await publishAll(builds, [registry], join(scratch.path, "again"))).plan.steps, []);
    const published = await registry.published(builds, signal);
    assert.ok((await takeBack([registry], scratch.path)) > 0);
    assert.equal((await ask("ls", repository)).trim(), "");
    for (const { id } of published) assert.deepEqual(await referrersOf(id.split("@")[1] ?? ""), []);
  });
});

/** Digests of a layout's blobs, of their bytes. */
async function blobsIn(layout: string): Promise<readonly string[]> {
  const folder = join(layout, "blobs/sha256");
  const names = await readdir(folder);
  return (await Promise.all(names.map((name) => digestOfFile(join(folder, name), "sha256", signal)))).sort();
}
