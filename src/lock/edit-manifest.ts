import { KvciError } from "../core/error.ts";
import type { ManifestEdit } from "../core/op.ts";
import { parseManifest, type Manifest, type ManifestObject, type ObjectPath } from "./manifest.ts";
import { isRecord } from "./records.ts";

/**
 * A manifest with edits made, in order. Comments, the order of documents and everything that no edit is about stay.
 *
 * @param what names the manifest in errors: its URL.
 * @throws {KvciError} `manifest-invalid` naming the edit that finds no object, more than one, or no place in it.
 */
export function editManifest(text: string, edits: readonly ManifestEdit[], what: string): string {
  const manifest = parseManifest(text, what);
  for (const edit of edits) applyEdit(manifest, edit, what);
  return manifest.text();
}

function applyEdit(manifest: Manifest, edit: ManifestEdit, what: string): void {
  const object = wantedObject(manifest, edit, what);
  const { path, missing } = locate(object.value(), edit, what);
  const value = missing.reduceRight<unknown>(
    (inner, key) => ({ [key]: inner }),
    edit.append ? [edit.value] : edit.value,
  );
  if (!edit.append || missing.length > 0) {
    object.set(path, value);
    return;
  }
  const list = valueAt(object.value(), path);
  if (list === undefined || list === null) object.set(path, value);
  else if (Array.isArray(list)) object.append(path, edit.value);
  else throw misfit(what, edit, "is not a list");
}

function wantedObject({ objects }: Manifest, edit: ManifestEdit, what: string): ManifestObject {
  const { kind, name } = edit.object;
  const [found, ...more] = objects.filter((object) => object.kind === kind && object.name === name);
  if (found && more.length === 0) return found;
  const there = objects.map((object) => `${object.kind} ${object.name}`);
  const shown = there.slice(0, 20);
  const message = found
    ? `${what} has ${more.length + 1} objects ${kind} "${name}", and an edit is about one`
    : `${what} has no ${kind} "${name}" to edit`;
  throw new KvciError("manifest-invalid", message, {
    hint: "Compare the edits of the step or addon with the manifest; another version of it may name its objects differently.",
    evidence: [
      "it has:",
      ...shown,
      ...(there.length > shown.length ? [`and ${there.length - shown.length} more`] : []),
    ],
  });
}

interface Place {
  /** Way to the value that is put: to its own place, or to the first key that is not there. */
  readonly path: ObjectPath;
  /** Keys below `path` that have to be made. */
  readonly missing: readonly string[];
}

function locate(root: unknown, edit: ManifestEdit, what: string): Place {
  const path: (string | number)[] = [];
  let at = root;
  for (const [index, part] of edit.path.entries()) {
    const key = typeof part === "string" ? part : indexIn(at, part, { edit, what, path });
    if (typeof key === "string" && !isRecord(at)) throw misfit(what, edit, `has no keys at ${shownPath(path)}`);
    path.push(key);
    at = valueAt(at, [key]);
    if (at === undefined || at === null) return { path, missing: keysOnly(edit, index + 1, what) };
  }
  return { path, missing: [] };
}

/** Lists are not made: an index or a matcher in one that is not there finds nothing. */
function keysOnly(edit: ManifestEdit, from: number, what: string): string[] {
  return edit.path.slice(from).map((part, offset) => {
    if (typeof part === "string") return part;
    throw misfit(what, edit, `has no list at ${shownPath(edit.path.slice(0, from + offset))}`);
  });
}

function indexIn(
  list: unknown,
  part: Exclude<ManifestEdit["path"][number], string>,
  { edit, what, path }: { readonly edit: ManifestEdit; readonly what: string; readonly path: ObjectPath },
): number {
  if (!Array.isArray(list)) throw misfit(what, edit, `has no list at ${shownPath(path)}`);
  const index = typeof part === "number" ? part : list.findIndex((item) => matches(item, part));
  if (index >= 0 && index < list.length) return index;
  throw misfit(what, edit, `has no item ${shownPath([part])} in the list at ${shownPath(path)}`);
}

function matches(item: unknown, wanted: Readonly<Record<string, string>>): boolean {
  return isRecord(item) && Object.entries(wanted).every(([key, value]) => item[key] === value);
}

function valueAt(value: unknown, path: ObjectPath): unknown {
  return path.reduce<unknown>((at, key) => {
    if (Array.isArray(at) && typeof key === "number") return at[key];
    return isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }, value);
}

function misfit(what: string, { object, path }: ManifestEdit, reason: string): KvciError {
  const { kind, name } = object;
  return new KvciError("manifest-invalid", `${what}: ${kind} "${name}" ${reason} (edit of ${shownPath(path)})`, {
    hint: "Compare the edits of the step or addon with the manifest; another version of it may be built differently.",
  });
}

function shownPath(path: ManifestEdit["path"]): string {
  if (path.length === 0) return "its top";
  return path.map((part) => (typeof part === "object" ? JSON.stringify(part) : String(part))).join(".");
}
