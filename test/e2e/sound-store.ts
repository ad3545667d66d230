import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { LAYERS } from "../../src/store/layer-record.ts";
import type { Layer } from "../../src/store/layer.ts";
import type { Workspace } from "./kvci.ts";

/**
 * Reads every layer of a store whole: each has the digest of its record, no key has two, and nothing else is among them.
 *
 * @param store the workspace's own unless a test mounted another.
 */
export async function soundLayers(workspace: Workspace, layers?: readonly Layer[]): Promise<readonly Layer[]> {
  const found = layers ?? (await workspace.layers());
  for (const { path, digest, step } of found) {
    const sum = createHash("sha256").update(await readFile(path));
    assert.equal(`sha256:${sum.digest("hex")}`, digest, `the layer of ${step}`);
  }
  const keys = found.map(({ key }) => key);
  assert.equal(new Set(keys).size, keys.length, `a layer was made twice: ${found.map(({ step }) => step).join(", ")}`);
  return found;
}

/** Nothing runs any more, and the store holds nothing but what is whole. */
export async function assertQuiet(workspace: Workspace): Promise<void> {
  assert.deepEqual([await workspace.processes(), await workspace.leftovers()], [[], []]);
  const layers = await soundLayers(workspace);
  const folders = await readdir(join(workspace.store, LAYERS)).catch(() => []);
  assert.equal(folders.length, layers.length, "something that is no whole layer is among the layers");
}
