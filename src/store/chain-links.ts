import { realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { hostFiles, type StoreFiles } from "./files.ts";

/**
 * Folder of the links by which chains are opened, relative to the store's root: one per layer, `<id>.qcow2`.
 *
 * QEMU does not resolve a relative backing name, it joins it to the path of the file above. Through folders of their own each
 * layer would add a hundred characters to the next one's path, and past 4096, some forty layers up, no chain could be opened.
 * Among the links every name is the bare name of a neighbour, so that the path never grows; and the store can be moved.
 */
const CHAIN = "chain";

/** Where layer `id` is opened, relative to the store's root. */
export function chainLink(id: string): string {
  return `${CHAIN}/${id}.qcow2`;
}

/** The backing name of what stands on layer `id`. */
export function neighbourName(id: string): string {
  return `${id}.qcow2`;
}

/** The backing name of what stands on a file of the store that is no layer. */
export function outsideName(root: string, path: string): string {
  return relative(join(root, CHAIN), path);
}

/** Makes the link of `id` point to `path`, in one move where it pointed elsewhere. */
export async function linkTo(
  { files, root }: { readonly files: StoreFiles; readonly root: string },
  id: string,
  path: string,
): Promise<void> {
  await files.link(relative(join(root, CHAIN), path), join(root, chainLink(id)));
}

/**
 * Removes links of what is gone: of drafts that never became layers, and of layers that were removed. Another build may be making
 * a draft a layer at this moment: its folder moves, then its link. So the layers are listed after the links were found to lead
 * nowhere, and one that is a layer by then keeps its link.
 */
export async function sweepLinks({
  files,
  root,
}: {
  readonly files: StoreFiles;
  readonly root: string;
}): Promise<void> {
  const dangling: string[] = [];
  for (const name of await files.names(join(root, CHAIN))) {
    if (!(await files.leads(join(root, CHAIN, name)))) dangling.push(name);
  }
  const layers = new Set((await files.names(join(root, "entries/layers"))).map(neighbourName));
  for (const name of dangling) {
    if (!layers.has(name)) await files.remove(join(root, CHAIN, name));
  }
}

/**
 * A link by which another overlay of a chain is opened, such as a copy of one; swept once `path` is gone.
 *
 * @param name new for every file.
 */
export async function openInChain(root: string, name: string, path: string): Promise<string> {
  await linkTo({ files: hostFiles, root }, name, path);
  return join(root, chainLink(name));
}

/** The file that an overlay's backing name means, as a path relative to the store's root. */
export async function backingFileOf(root: string, backingName: string): Promise<string> {
  return relative(await realpath(root), await realpath(join(root, CHAIN, backingName)));
}
