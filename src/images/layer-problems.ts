import { KvciError } from "../core/error.ts";

/**
 * A layer, sound or not, that cannot be turned into the directory containerd would make of it. Nothing is wrong with the build: the
 * caller lets containerd import the image, which is slower, or says better what is wrong.
 */
export class NotConvertible extends Error {
  override readonly name = "NotConvertible";
}

/** @param what follows "a layer " */
export function notConvertible(what: string): NotConvertible {
  return new NotConvertible(`a layer ${what}`);
}

/** A layer whose bytes are no tar, or whose names lead outside. @param what follows "a layer's tar " */
export function damagedLayer(what: string, cause?: unknown): KvciError {
  return new KvciError("layout-invalid", `a layer's tar ${what}`, {
    hint: "Fetch the image again; if that does not help, the image itself is broken: use another version of it.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A name from a tar, one character per byte, as a person reads it. */
export function quoted(name: string): string {
  return JSON.stringify(Buffer.from(name, "latin1").toString("utf8"));
}
