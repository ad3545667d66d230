/**
 * The directory of one overlayfs layer while its files arrive, with overlayfs's own marks: a character device 0/0 hides a name of the
 * layers below, an attribute makes a directory opaque. Follows containerd's `archive/tar.go`; where GNU tar cannot end at the same
 * files, the layer is NotConvertible.
 */
import type { ByteSource } from "../oci/byte-source.ts";
import { directoryAt, editDirectories, resolvePath, type DirectoryMap, type Path } from "./directory-map.ts";
import { cleanPath } from "./layer-paths.ts";
import { notConvertible, quoted } from "./layer-problems.ts";
import type { TarOutput } from "./overlay-output.ts";
import type { Attributes, Member } from "./raw-tar.ts";

const OPAQUE_XATTR = "trusted.overlay.opaque";
const BLOCK_BYTES = 4096;
/** ext4 keeps a shorter target in the inode. */
const LINK_IN_INODE_BYTES = 60;
const MAX_TARGET_BYTES = 4095;
/** The last one is "leave as it is" to chown. */
const MAX_ID = 0xfffffffe;
const MAX_DEVICE = { major: 0xfff, minor: 0xfffff };

const NO_CONTENT: Pick<ByteSource, "read"> = { read: () => Promise.resolve(Buffer.alloc(0)) };

/** What is at a path of this layer by now. */
type Made =
  | { readonly kind: "directory"; readonly attributes: Attributes; readonly opaque: boolean }
  | { readonly kind: "whiteout" }
  | Leaf;

interface Leaf {
  readonly kind: "leaf";
  readonly inode: Inode;
  /** Of a symbolic link. */
  readonly target: string | undefined;
}

/** One file, whatever its number of names. */
interface Inode {
  readonly attributes: string;
  readonly bytes: number;
  names: number;
}

/** Paths have no symbolic links of this layer in them but those that `makeParent` gets. */
export interface OverlayDirectory {
  /** Sees to it that a file's directory is there, with the attributes it has below. @returns where symbolic links lead. */
  readonly makeParent: (path: Path, child: Attributes) => Promise<Path>;
  /** Makes a directory opaque. */
  readonly hideLower: (path: Path) => Promise<void>;
  /** Makes a whiteout. */
  readonly hide: (path: Path, owner: Attributes) => Promise<void>;
  readonly put: (path: Path, member: Member, content: Pick<ByteSource, "read">) => Promise<void>;
  readonly usage: () => { readonly bytes: number; readonly inodes: number };
  readonly map: DirectoryMap;
}

/** Where a layer's directory goes, and what it lies on. */
export interface DirectoryOptions {
  readonly folder: string;
  readonly below: DirectoryMap | undefined;
  readonly output: TarOutput;
}

interface State extends DirectoryOptions {
  readonly edit: ReturnType<typeof editDirectories>;
  readonly made: Map<string, Made>;
  readonly usage: { bytes: number; inodes: number };
}

/** A directory that no layer says anything of. */
const plain = (mtime: string): Attributes => ({ mode: 0o755, uid: 0, gid: 0, mtime, xattrs: undefined });

/** Starts with the root: containerd makes it itself, whatever is below. */
export async function openDirectory(options: DirectoryOptions): Promise<OverlayDirectory> {
  const root = plain("0");
  const edit = editDirectories(options.below, root);
  const state: State = { ...options, edit, made: new Map(), usage: { bytes: 0, inodes: 0 } };
  await makeDirectory(state, [], { attributes: root, opaque: false });
  return {
    makeParent: (path, child) => makeParent(state, path, child),
    hideLower: (path) => hideLower(state, path),
    hide: (path, owner) => makeWhiteout(state, path, owner),
    put: (path, member, content) => put(state, path, { member, content }),
    usage: () => ({ ...state.usage }),
    map: edit.map,
  };
}

const keyOf = (path: Path): string => path.join("/");
const nameOf = (path: Path): string => quoted(keyOf(path));

async function makeParent(state: State, path: Path, child: Attributes): Promise<Path> {
  const parent = resolve(state, path);
  for (let depth = 1; depth <= parent.length; depth += 1) {
    const part = parent.slice(0, depth);
    const made = state.made.get(keyOf(part));
    if (made?.kind === "directory") continue;
    if (made !== undefined) throw notConvertible(`holds something in ${nameOf(part)}, which it says is no directory`);
    const below = state.below && directoryAt(state.below, part);
    await makeDirectory(state, part, { attributes: below ?? plain(child.mtime), opaque: false });
  }
  return parent;
}

/** Follows the symbolic links of this layer, as containerd does: it sees nothing of the others. */
function resolve({ made }: State, path: Path): Path {
  const resolved = resolvePath(path, (link) => {
    const there = made.get(keyOf(link));
    return there?.kind === "leaf" ? there.target : undefined;
  });
  if (resolved === undefined) {
    throw notConvertible(`leads to ${nameOf(path)} by symbolic links that go round in circles`);
  }
  return resolved;
}

/** Writes a directory, again if it is there: tar gives it its attributes once more. */
async function makeDirectory(
  state: State,
  path: Path,
  { attributes, opaque }: { readonly attributes: Attributes; readonly opaque: boolean },
): Promise<void> {
  const before = state.made.get(keyOf(path));
  if (before === undefined) state.usage.inodes += 1;
  if (before?.kind !== "directory") state.usage.bytes += BLOCK_BYTES;
  state.made.set(keyOf(path), { kind: "directory", attributes, opaque });
  if (path.length > 0) state.edit.setDirectory(path, attributes);
  const xattrs = opaque ? new Map([...(attributes.xattrs ?? []), [OPAQUE_XATTR, "y"] as const]) : attributes.xattrs;
  await write(state, path, { ...attributes, xattrs, type: "directory" });
}

async function hideLower(state: State, path: Path): Promise<void> {
  const made = state.made.get(keyOf(path));
  if (made?.kind !== "directory" || made.opaque) return;
  state.edit.hideContent(path, (child) => state.made.has(keyOf(child)));
  await makeDirectory(state, path, { ...made, opaque: true });
}

async function makeWhiteout(state: State, path: Path, owner: Attributes): Promise<void> {
  checkOwners(path, owner);
  if (state.made.has(keyOf(path))) throw notConvertible(`deletes ${nameOf(path)}, which it holds itself`);
  state.usage.inodes += 1;
  state.made.set(keyOf(path), { kind: "whiteout" });
  state.edit.remove(path);
  await write(state, path, { ...owner, type: "character-device", mode: 0, xattrs: undefined });
}

interface Arrival {
  readonly member: Member;
  readonly content: Pick<ByteSource, "read">;
}

async function put(state: State, path: Path, { member, content }: Arrival): Promise<void> {
  checkOwners(path, member);
  const before = state.made.get(keyOf(path));
  if (member.type === "directory") return putDirectory(state, path, { member, before });
  checkReplaceable(path, before);
  const isLink = member.type === "hardlink";
  const { leaf, linkPath } = isLink ? linkedLeaf(state, path, member) : newLeaf(path, member);
  replace(state, before, leaf.inode);
  state.made.set(keyOf(path), leaf);
  state.edit.remove(path);
  if (leaf.target !== undefined) state.edit.setLink(path, leaf.target);
  const header = { ...member, path: inFolder(state, path), linkPath };
  await state.output.add({ ...header, xattrs: isLink ? undefined : allowedXattrs(member) }, content);
}

function checkReplaceable(path: Path, before: Made | undefined): void {
  if (before?.kind === "directory") throw notConvertible(`replaces its own directory ${nameOf(path)}`);
  if (before?.kind !== "leaf" || before.target === undefined) return;
  // Until its end, GNU tar has something else in place of some symbolic links, and may take what comes after for that.
  throw notConvertible(`replaces its own symbolic link ${nameOf(path)}`);
}

interface Change {
  readonly member: Member;
  readonly before: Made | undefined;
}

async function putDirectory(state: State, path: Path, { member, before }: Change): Promise<void> {
  const { mode, uid, gid, mtime } = member;
  const attributes = { mode, uid, gid, mtime, xattrs: allowedXattrs(member) };
  if (before?.kind === "leaf") throw notConvertible(`replaces its own file ${nameOf(path)} by a directory`);
  // What is hidden below has to stay so when a directory takes the whiteout's place.
  if (before?.kind !== "directory") return makeDirectory(state, path, { attributes, opaque: before !== undefined });
  const xattrs = new Map([...(before.attributes.xattrs ?? []), ...(attributes.xattrs ?? [])]);
  const { opaque } = before;
  await makeDirectory(state, path, {
    attributes: { ...attributes, xattrs: xattrs.size === 0 ? undefined : xattrs },
    opaque,
  });
}

interface NewLeaf {
  readonly leaf: Leaf;
  /** What the member says; of a hard link, in the whole tar. */
  readonly linkPath: string;
}

function newLeaf(path: Path, member: Member): NewLeaf {
  const { linkPath, sizeBytes } = member;
  const target = member.type === "symlink" ? linkPath : undefined;
  if (target !== undefined) checkTarget(path, target);
  checkDevice(path, member);
  const contentBytes = target === undefined || target.length < LINK_IN_INODE_BYTES ? sizeBytes : target.length;
  const bytes = Math.ceil(contentBytes / BLOCK_BYTES) * BLOCK_BYTES;
  return { leaf: { kind: "leaf", inode: { attributes: attributesOf(member), bytes, names: 0 }, target }, linkPath };
}

function checkTarget(path: Path, { length }: string): void {
  if (length > 0 && length <= MAX_TARGET_BYTES) return;
  throw notConvertible(`holds the symbolic link ${nameOf(path)} with a target of ${length} bytes`);
}

function checkDevice(path: Path, { deviceMajor, deviceMinor }: Member): void {
  if (isWithin(deviceMajor, MAX_DEVICE.major) && isWithin(deviceMinor, MAX_DEVICE.minor)) return;
  throw notConvertible(`holds the device ${nameOf(path)} with an impossible number`);
}

/** containerd gives the one file the attributes of its last name, which GNU tar does not: they have to be the same. */
function linkedLeaf(state: State, path: Path, member: Member): NewLeaf {
  const given = cleanPath(member.linkPath);
  const target = [...resolve(state, given.slice(0, -1)), ...given.slice(-1)];
  const leaf = state.made.get(keyOf(target));
  if (leaf?.kind !== "leaf" || keyOf(target) === keyOf(path)) {
    throw notConvertible(`holds the hard link ${nameOf(path)} to ${nameOf(target)}, which is no file in it`);
  }
  if (leaf.inode.attributes !== attributesOf(member)) {
    throw notConvertible(`holds ${nameOf(path)} and ${nameOf(target)}, one file with two sets of attributes`);
  }
  return { leaf, linkPath: inFolder(state, target) };
}

/** All of a file's attributes as a text, to compare. */
function attributesOf({ mode, uid, gid, mtime, xattrs = new Map() }: Attributes): string {
  return JSON.stringify([mode, uid, gid, mtime, ...[...xattrs].map((xattr) => xattr.join("=")).sort()]);
}

/** Counts a name of `inode`, and one less of what had that name before. */
function replace({ usage }: State, before: Made | undefined, inode: Inode): void {
  if (inode.names === 0) {
    usage.bytes += inode.bytes;
    usage.inodes += 1;
  }
  inode.names += 1;
  if (before?.kind === "whiteout") usage.inodes -= 1;
  if (before?.kind !== "leaf") return;
  before.inode.names -= 1;
  if (before.inode.names > 0) return;
  usage.bytes -= before.inode.bytes;
  usage.inodes -= 1;
}

/** What containerd sets: nothing of an administrator's own, and attributes of users where Linux knows such. */
function allowedXattrs({ type, xattrs }: Member): Attributes["xattrs"] {
  if (xattrs === undefined) return undefined;
  const hasUsers = type === "file" || type === "directory";
  const isAllowed = (name: string): boolean => !name.startsWith("trusted.") && (hasUsers || !name.startsWith("user."));
  const allowed = [...xattrs].filter(([name]) => isAllowed(name));
  return allowed.length === 0 ? undefined : new Map(allowed);
}

function checkOwners(path: Path, { uid, gid }: Attributes): void {
  if (isWithin(uid, MAX_ID) && isWithin(gid, MAX_ID)) return;
  throw notConvertible(`holds ${nameOf(path)} with the owner ${uid}:${gid}`);
}

const isWithin = (number: number, max: number): boolean => number >= 0 && number <= max;

const inFolder = ({ folder }: State, path: Path): string => [folder, ...path].join("/");

/** Writes what has no content. */
function write(state: State, path: Path, member: Attributes & Pick<Member, "type">): Promise<void> {
  const nothing = { sizeBytes: 0, linkPath: "", deviceMajor: 0, deviceMinor: 0 };
  return state.output.add({ ...member, ...nothing, path: inFolder(state, path) }, NO_CONTENT);
}
