import { relative } from "node:path";
import { keyOf } from "../../builders/packages/recipe.ts";
import type { Base } from "../core/disk-image.ts";
import type { Plan } from "../core/plan.ts";

/**
 * What a plan's base may be kept as, as paths relative to the store's root. Pinned before it is looked for: what is there then
 * stays, and what is fetched or made meanwhile, too.
 */
export function baseItems({ base, disk }: Plan): string[] {
  const { image, identity } = base;
  if (image.kind === "packages") return [`entries/bases/${keyOf(image, disk.platform.arch)}`];
  const [algorithm = "", hex = ""] = identity.split(":");
  const name = `${algorithm}-${hex}`;
  return [`blobs/${algorithm}/${hex}`, `entries/unpacked/${name}`, `entries/local-disk/${name}`];
}

/** What a build uses or is going to make: none of it may be removed while it runs. */
export function buildItems({ disk }: Plan, base: Base, root: string): string[] {
  const path = relative(root, base.disk.path);
  // Of an entry the folder is what is kept or removed; a blob is a file.
  const baseItem = path.startsWith("entries/") ? path.split("/").slice(0, 3).join("/") : path;
  const keys = [disk.bootKey, ...disk.steps.map(({ key }) => key)];
  return [baseItem, ...keys.map((key) => `entries/layers/${key.replace("sha256:", "")}.*`)];
}
