import type { Path } from "./directory-map.ts";
import { damagedLayer, notConvertible, quoted } from "./layer-problems.ts";

/** What Linux allows for one name, and for a path less what containerd's own folder may take. */
const MAX_BYTES = { name: 255, path: 3800 };

/**
 * The components of a path in a layer; the root has none. Slashes in front and at the end, "." and ".." do not matter.
 *
 * @throws {KvciError} `layout-invalid` for a path that leads outside.
 * @throws {NotConvertible} for one that no Linux file system can hold: it would end the unpacking of all other layers, too.
 */
export function cleanPath(text: string): Path {
  const path: string[] = [];
  for (const name of text.split("/")) {
    if (name === "" || name === ".") continue;
    if (name !== "..") path.push(name);
    else if (path.pop() === undefined) throw damagedLayer(`holds ${quoted(text)}, which leads outside`);
  }
  const isLong = path.some((name) => name.length > MAX_BYTES.name) || text.length > MAX_BYTES.path;
  if (isLong) throw notConvertible(`holds a path of ${text.length} bytes that is too long`);
  return path;
}

const WHITEOUT = ".wh.";
const META = ".wh..wh.";
const OPAQUE = ".wh..wh..opq";

/** What a name in a layer asks for. */
export type Mark =
  | { readonly kind: "none" }
  /** Bookkeeping of aufs, which ended up in old images. */
  | { readonly kind: "ignored" }
  /** The directory shows nothing of the layers below. */
  | { readonly kind: "opaque" }
  /** `name` of the layers below is gone. */
  | { readonly kind: "whiteout"; readonly name: string };

/** Reads the names by which layers say what is deleted. @throws {NotConvertible} for marks that mean nothing. */
export function markOf(path: Path): Mark {
  const parents = path.slice(0, -1);
  const name = path.at(-1) ?? "";
  if (parents.some((parent) => parent.startsWith(META))) return { kind: "ignored" };
  const isInMark = parents.some((parent) => parent.startsWith(WHITEOUT));
  if (isInMark) throw notConvertible(`holds ${quoted(path.join("/"))}, which is inside of a whiteout`);
  if (name === OPAQUE) return { kind: "opaque" };
  if (name.startsWith(META)) return { kind: "ignored" };
  if (!name.startsWith(WHITEOUT)) return { kind: "none" };
  const hidden = name.slice(WHITEOUT.length);
  if (["", ".", ".."].includes(hidden)) throw notConvertible(`holds the whiteout ${quoted(name)} of nothing`);
  return { kind: "whiteout", name: hidden };
}
