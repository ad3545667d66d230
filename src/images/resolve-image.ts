import { sha256, type Digest } from "../core/digest.ts";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { jsonOf } from "../core/parse-json.ts";
import { ARCHES, type Arch } from "../core/platform.ts";
import { configSchema, type Index, type Manifest } from "../oci/manifest.ts";
import { imageBytes, manifestFor, parseDocument } from "./image-manifest.ts";
import { atDigest, digestIn } from "../core/image-reference.ts";
import type { RegistryAccess } from "./registries-conf.ts";
import { wrongBytes } from "./registry-error.ts";
import { rawConfig, rawDocument, type SkopeoContext } from "./skopeo.ts";

export interface ResolveOptions {
  readonly access: RegistryAccess;
  readonly signal: AbortSignal;
  readonly journal?: Journal | undefined;
  /** Architectures that are looked for. Default: all that kvci-build knows. */
  readonly arches?: readonly Arch[] | undefined;
}

/** What a reference stands for now. */
export interface ResolvedImage {
  /** An image index, or the manifest of an image of one platform. */
  readonly digest: Digest;
  /** By architecture, those that there are; `bytes` are those of configuration and layers, compressed. */
  readonly platforms: Readonly<Partial<Record<Arch, { readonly manifest: Digest; readonly bytes: number }>>>;
}

/**
 * Asks the registry what a reference stands for. Digests are computed from what it delivers.
 *
 * @param ref whole: `registry/repository:tag` or `…@sha256:…`.
 * @throws {KvciError} `image-missing`, also when it is for none of the architectures; `registry-denied`, `registry-failed`,
 *   `digest-mismatch`, `program-missing`, `interrupted`
 */
export async function resolveImage(ref: string, options: ResolveOptions): Promise<ResolvedImage> {
  const bytes = await rawDocument(ref, options);
  const digest = sha256(bytes);
  const wanted = digestIn(ref);
  if (wanted !== undefined && wanted !== digest) throw wrongBytes(ref, wanted, digest);
  const document = parseDocument(bytes, ref);
  const platforms =
    document.kind === "index"
      ? await indexPlatforms(ref, document.index, options)
      : await onePlatform(atDigest(ref, digest), { digest, manifest: document.manifest }, options);
  if (Object.keys(platforms).length > 0) return { digest, platforms };
  const arches = (options.arches ?? ARCHES).join(", ");
  throw new KvciError("image-missing", `${ref}: the registry has it, but not for linux on ${arches}`, {
    hint: "Name an image that is made for the architecture, or take the architecture out of the template.",
  });
}

async function indexPlatforms(ref: string, index: Index, options: ResolveOptions): Promise<ResolvedImage["platforms"]> {
  const platforms: Partial<Record<Arch, { manifest: Digest; bytes: number }>> = {};
  for (const arch of options.arches ?? ARCHES) {
    const manifest = manifestFor(index, arch);
    if (manifest === undefined) continue;
    platforms[arch] = { manifest, bytes: imageBytes(await manifestAt(atDigest(ref, manifest), manifest, options)) };
  }
  return platforms;
}

async function onePlatform(
  ref: string,
  { digest, manifest }: { readonly digest: Digest; readonly manifest: Manifest },
  options: ResolveOptions,
): Promise<ResolvedImage["platforms"]> {
  const bytes = await rawConfig(ref, options);
  if (sha256(bytes) !== manifest.config.digest) throw wrongBytes(ref, manifest.config.digest, sha256(bytes));
  const config = configSchema.safeParse(jsonOf(bytes.toString("utf8")));
  const arch = (options.arches ?? ARCHES).find((each) => each === config.data?.architecture);
  if (arch === undefined || config.data?.os !== "linux") return {};
  return { [arch]: { manifest: digest, bytes: imageBytes(manifest) } };
}

async function manifestAt(ref: string, digest: Digest, context: SkopeoContext): Promise<Manifest> {
  const bytes = await rawDocument(ref, context);
  if (sha256(bytes) !== digest) throw wrongBytes(ref, digest, sha256(bytes));
  const document = parseDocument(bytes, ref);
  if (document.kind === "manifest") return document.manifest;
  throw new KvciError("registry-failed", `${ref}: an index within an index`, {
    hint: "Push the image anew with a current tool.",
  });
}
