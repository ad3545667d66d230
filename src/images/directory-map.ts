import type { Attributes } from "./raw-tar.ts";

/** A path in a layer, in its components; the root has none. */
export type Path = readonly string[];

interface DirectoryNode {
  readonly attributes: Attributes;
  /** Directories and symbolic links in it. Not changed once the layer that made the node is done. */
  readonly children: Map<string, DirectoryNode | LinkNode>;
}

interface LinkNode {
  readonly target: string;
}

/**
 * The directories of a chain of layers, with their attributes, and its symbolic links. A tree, so that a layer's map shares with the one
 * below all that it does not touch, and so that hiding a directory hides what is in it.
 */
export interface DirectoryMap {
  readonly root: DirectoryNode;
}

/** Changes to a map that leave the map alone. */
export interface DirectoryEdit {
  /** Adds a directory, or gives one that is there other attributes. */
  readonly setDirectory: (path: Path, attributes: Attributes) => void;
  /** Adds a symbolic link. Its parent has to be there. */
  readonly setLink: (path: Path, target: string) => void;
  /** Takes away what is there, with all that is in it. */
  readonly remove: (path: Path) => void;
  /** Takes away whatever is in a directory, on all levels, but what `keeps` says. */
  readonly hideContent: (path: Path, keeps: (path: Path) => boolean) => void;
  readonly map: DirectoryMap;
}

const isDirectory = (node: DirectoryNode | LinkNode | undefined): node is DirectoryNode =>
  node !== undefined && "children" in node;

function find(map: DirectoryMap, path: Path): DirectoryNode | LinkNode | undefined {
  let node: DirectoryNode | LinkNode | undefined = map.root;
  for (const name of path) node = isDirectory(node) ? node.children.get(name) : undefined;
  return node;
}

/** The attributes of the directory that `path` leads to, through symbolic links; undefined where there is none. */
export function directoryAt(map: DirectoryMap, path: Path): Attributes | undefined {
  const resolved = resolvePath(path, (link) => {
    const node = find(map, link);
    return node === undefined || isDirectory(node) ? undefined : node.target;
  });
  const node = resolved && find(map, resolved);
  return isDirectory(node) ? node.attributes : undefined;
}

/** As containerd: so many symbolic links on the way are a circle. */
const MAX_LINKS = 255;
const NO_NAMES: ReadonlySet<string> = new Set(["", ".", ".."]);

/** Follows symbolic links without ever leaving the root. @returns undefined when they go round in circles. */
export function resolvePath(path: Path, targetOf: (link: Path) => string | undefined): Path | undefined {
  const done: string[] = [];
  const open = [...path].reverse();
  for (let links = 0; links <= MAX_LINKS;) {
    const name = open.pop();
    if (name === undefined) return done;
    if (name === "..") done.pop();
    if (NO_NAMES.has(name)) continue;
    const target = targetOf([...done, name]);
    if (target === undefined) {
      done.push(name);
      continue;
    }
    links += 1;
    if (target.startsWith("/")) done.length = 0;
    open.push(...target.split("/").reverse());
  }
  return undefined;
}

/** Starts a layer's map on the one below. @param root the attributes of a new map's root */
export function editDirectories(below: DirectoryMap | undefined, root: Attributes): DirectoryEdit {
  const map = { root: below ? copyOf(below.root) : { attributes: root, children: new Map() } };
  const own = new WeakSet<DirectoryNode>([map.root]);
  /** The directory at `path`, copied on the way down wherever it still belongs to the map below. */
  const ownAt = (path: Path): DirectoryNode | undefined => {
    let node: DirectoryNode = map.root;
    for (const name of path) {
      const next = node.children.get(name);
      if (!isDirectory(next)) return undefined;
      const owned = own.has(next) ? next : copyOf(next);
      own.add(owned);
      node.children.set(name, owned);
      node = owned;
    }
    return node;
  };
  const put = (path: Path, node: DirectoryNode | LinkNode): void => {
    ownAt(path.slice(0, -1))?.children.set(path.at(-1) ?? "", node);
    if (isDirectory(node)) own.add(node);
  };
  const hideContent = (path: Path, keeps: (path: Path) => boolean): void => {
    for (const [name, child] of ownAt(path)?.children ?? []) {
      const childPath = [...path, name];
      if (!keeps(childPath)) ownAt(path)?.children.delete(name);
      else if (isDirectory(child)) hideContent(childPath, keeps);
    }
  };
  return {
    map,
    hideContent,
    setDirectory: (path, attributes) =>
      put(path, { attributes, children: ownAt(path)?.children ?? new Map<string, DirectoryNode>() }),
    setLink: (path, target) => put(path, { target }),
    remove: (path) => {
      if (find(map, path) !== undefined) ownAt(path.slice(0, -1))?.children.delete(path.at(-1) ?? "");
    },
  };
}

function copyOf(node: DirectoryNode): DirectoryNode {
  return { attributes: node.attributes, children: new Map(node.children) };
}
