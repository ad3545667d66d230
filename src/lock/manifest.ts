import { isSeq, parseAllDocuments, type Document } from "yaml";
import { KvciError, messageOf } from "../core/error.ts";
import { isRecord } from "./records.ts";

/** Place in an object: keys of maps and indexes of lists. */
export type ObjectPath = readonly (string | number)[];

/** One object of a manifest; those in a `List` count each for itself. */
export interface ManifestObject {
  readonly kind: string;
  /** `metadata.name`; empty for an object without one. */
  readonly name: string;
  /** As JSON, with the changes so far. */
  readonly value: () => Readonly<Record<string, unknown>>;
  /** Puts a value at a path whose parent exists. */
  readonly set: (path: ObjectPath, value: unknown) => void;
  /** Puts a value behind the last one of an existing list. */
  readonly append: (path: ObjectPath, value: unknown) => void;
}

/** A file of Kubernetes objects. */
export interface Manifest {
  readonly objects: readonly ManifestObject[];
  /** The file with the changes: documents that were not changed are as they came, byte by byte; comments stay. */
  readonly text: () => string;
}

interface Part {
  readonly source: string;
  readonly document: Document;
  changed: boolean;
}

/**
 * Reads a Kubernetes manifest: YAML documents, or JSON.
 *
 * @param what names it in errors: its URL.
 * @throws {KvciError} `manifest-invalid` for what is no YAML, or YAML of something else than Kubernetes objects.
 */
export function parseManifest(text: string, what: string): Manifest {
  // A web page parses as YAML more often than not, and says little about itself then.
  if (/^\s*<(?:!doctype|html|head|\?xml)/i.test(text)) throw invalid(what, "it is a web page");
  const parts = readParts(text, what);
  const objects = parts.flatMap((part) => objectsOf(part, what));
  if (objects.length === 0) throw invalid(what, "there is no Kubernetes object in it");
  return { objects, text: () => parts.map(partText).join("") };
}

function readParts(text: string, what: string): Part[] {
  // Kubernetes reads YAML 1.1: with `compat`, a text such as "on" is written with quotes.
  const documents = [...parseAllDocuments(text, { compat: "yaml-1.1", logLevel: "error" })];
  const [wrong] = documents.flatMap(({ errors }) => errors);
  if (wrong) throw invalid(what, wrong.message.split("\n", 1)[0] ?? "");
  const starts = documents.map(({ range }, index) => (index === 0 ? 0 : range[0]));
  return documents.map((document, index) => ({
    source: text.slice(starts[index], starts[index + 1]),
    document,
    changed: false,
  }));
}

function partText({ source, document, changed }: Part): string {
  return changed ? document.toString({ lineWidth: 0 }) : source;
}

function objectsOf(part: Part, what: string): ManifestObject[] {
  const value = jsonOf(part.document, what);
  // Nothing between two separators, or comments only.
  if (value === null) return [];
  if (!isRecord(value) || !isObject(value)) throw invalid(what, `it holds ${shown(value)} instead of an object`);
  const { items } = value;
  if (!value.kind.endsWith("List") || !Array.isArray(items)) return [objectAt(part, [], what)];
  return items.map((item: unknown, index) => {
    if (isRecord(item) && isObject(item)) return objectAt(part, ["items", index], what);
    throw invalid(what, `item ${index} of its ${value.kind} is ${shown(item)} instead of an object`);
  });
}

function objectAt(part: Part, place: ObjectPath, what: string): ManifestObject {
  const { document } = part;
  const value = (): Readonly<Record<string, unknown>> => {
    const found = place.reduce<unknown>(
      (at, key) => (at as Record<string | number, unknown>)[key],
      jsonOf(document, what),
    );
    return isRecord(found) ? found : {};
  };
  const change = (path: ObjectPath, work: (full: ObjectPath) => void): void => {
    part.changed = true;
    try {
      work([...place, ...path]);
    } catch (error) {
      throw invalid(what, `${path.join(".")} cannot be changed: ${messageOf(error)}`);
    }
  };
  const { kind, metadata } = value();
  const name = isRecord(metadata) ? metadata["name"] : undefined;
  return {
    kind: String(kind),
    name: typeof name === "string" ? name : "",
    value,
    set: (path, item) => {
      change(path, (full) => void document.setIn(full, document.createNode(item)));
    },
    append: (path, item) => {
      change(path, (full) => void document.addIn(full, document.createNode(item)));
      // What was `[]` would hold the new item in braces.
      const list = document.getIn([...place, ...path]);
      if (isSeq(list) && list.items.length === 1) list.flow = false;
    },
  };
}

function jsonOf(document: Document, what: string): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // Aliases: of nothing, or so many that they would fill the memory.
    throw invalid(what, messageOf(error));
  }
}

function isObject(value: Readonly<Record<string, unknown>>): value is { kind: string; items?: unknown } {
  return typeof value["kind"] === "string" && typeof value["apiVersion"] === "string";
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return isRecord(value) ? "a map without apiVersion and kind" : `"${String(value).slice(0, 40)}"`;
}

function invalid(what: string, reason: string): KvciError {
  return new KvciError("manifest-invalid", `${what} is not a Kubernetes manifest: ${reason}`, {
    hint: "Open the URL: a login page, a moved file or a Helm chart looks like this. What is wanted is YAML that kubectl apply takes.",
  });
}
