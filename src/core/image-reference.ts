import type { Digest } from "./digest.ts";

/** The repository of a reference, without tag and digest: `registry.example/a/b` of `registry.example/a/b:1.0`. */
export function repositoryOf(ref: string): string {
  const [named = ""] = ref.split("@");
  const colon = named.lastIndexOf(":");
  // A colon before a slash is that of a port.
  return colon > named.lastIndexOf("/") ? named.slice(0, colon) : named;
}

/** What stands behind the `@` of a reference. */
export function digestIn(ref: string): string | undefined {
  const at = ref.indexOf("@");
  return at < 0 ? undefined : ref.slice(at + 1);
}

/** The same repository, at a digest. */
export function atDigest(ref: string, digest: Digest): string {
  return `${repositoryOf(ref)}@${digest}`;
}

/**
 * The names under which a runtime lists an image after it pulled the reference: the tag's and the digest's. A reference with a
 * digest counts by that, whatever its tag says.
 */
export function namesOf({ ref, digest }: { readonly ref: string; readonly digest: Digest }): readonly string[] {
  const byDigest = atDigest(ref, digest);
  return digestIn(ref) === undefined ? [ref, byDigest] : [byDigest];
}
