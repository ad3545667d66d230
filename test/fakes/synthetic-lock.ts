import { platformOf, type RootBase } from "../../src/core/base.ts";
import { digestOfValue } from "../../src/core/digest.ts";
import { cloudImageKey, EMPTY_LOCK, type ImageEntry, type Lock, type ManifestEntry } from "../../src/core/lock.ts";
import { needsOf } from "../../src/core/needs-of.ts";
import type { Need } from "../../src/core/need.ts";
import type { Arch } from "../../src/core/platform.ts";
import type { Template } from "../../src/core/template.ts";

const resolvedAt = "2026-01-01T00:00:00Z";

/**
 * A lock with an entry for whatever a template needs but packages, which float. Digests are of the names and stand for
 * nothing in the world: they let a plan be made where no upstream can be reached.
 */
export function syntheticLock(template: Template, arch: Arch): Lock {
  const root = template.base as RootBase;
  const needs = needsOf(template.steps, platformOf(root, arch));
  const manifests = urlsOf(needs, "manifest").map((url) => [url, manifestOf(url)] as const);
  const refs = [...needs.flatMap(refsOf), ...manifests.flatMap(([, { images }]) => images)];
  return {
    ...EMPTY_LOCK,
    cloudImages: root.kind === "cloud-image" ? { [cloudImageKey(root, arch)]: cloudImageOf(root, arch) } : {},
    files: Object.fromEntries(
      urlsOf(needs, "file").map((url) => [url, { digest: digestOfValue(url), bytes: 1, resolvedAt }]),
    ),
    manifests: Object.fromEntries(manifests),
    containerImages: Object.fromEntries(refs.map((ref) => [ref, imageOf(ref)])),
  };
}

function urlsOf(needs: readonly Need[], kind: "file" | "manifest"): readonly string[] {
  return needs.flatMap((need) => (need.kind === kind ? [need.url] : []));
}

function refsOf(need: Need): readonly string[] {
  return need.kind === "container-image" ? [need.ref] : [];
}

/** One image for each manifest, by the name of its file. */
function manifestOf(url: string): ManifestEntry {
  const file = new URL(url).pathname.split("/").at(-1) ?? "";
  const name = file.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const images = [`images.example/${name}:${digestOfValue(url).slice(7, 15)}`];
  return { digest: digestOfValue(url), bytes: 1, images, resolvedAt };
}

function imageOf(ref: string): ImageEntry {
  const manifest = (arch: Arch) => ({ manifest: digestOfValue({ ref, arch }), bytes: 1 });
  return { digest: digestOfValue(ref), platforms: { amd64: manifest("amd64"), arm64: manifest("arm64") }, resolvedAt };
}

function cloudImageOf({ distribution, release }: { distribution: string; release: string }, arch: Arch) {
  const url = `https://images.example/${distribution}-${release}-${arch}.qcow2`;
  return { url, digest: digestOfValue(url), source: `${url}.sha256`, resolvedAt };
}
