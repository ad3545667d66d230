import { KvciError } from "../core/error.ts";
import { parseImageReference } from "./image-reference.ts";
import { parseManifest } from "./manifest.ts";
import { isRecord } from "./records.ts";

/** What a manifest says about container images. */
export interface ManifestImages {
  /** Whole references, each once, sorted. */
  readonly images: readonly string[];
  /** Those among them that had neither tag nor digest and are taken as `:latest`. */
  readonly untagged: readonly string[];
}

const CONTAINER_LISTS = ["containers", "initContainers", "ephemeralContainers"];
/** What Istio writes where its webhook puts the proxy's image in: no image of that name is meant. */
const FILLED_IN = "auto";

interface Found {
  readonly where: string;
  readonly text: string;
  /** It cannot be anything else than an image: what does not parse is a mistake. */
  readonly certain: boolean;
  /** Its name says that it is an image, so that a short name is one as well. */
  readonly named: boolean;
}

/**
 * The container images that the objects of a manifest start: those of containers of any kind, `image` fields of custom resources, and
 * where operators are told the images of what they start: values of environment variables and config maps, and arguments.
 *
 * @throws {KvciError} `manifest-invalid` for what is no manifest, or a container's image that is no reference.
 */
export function manifestImages(text: string, what: string): ManifestImages {
  const found = parseManifest(text, what)
    // A definition describes fields that are called image, and has examples of them.
    .objects.filter(({ kind }) => kind !== "CustomResourceDefinition")
    .flatMap((object) => imagesIn(object.value(), `${object.kind} ${object.name}`));
  const images = new Set<string>();
  const untagged = new Set<string>();
  for (const each of found) {
    const reference = referenceOf(each, what);
    if (!reference) continue;
    images.add(reference.ref);
    if (!reference.isExact) untagged.add(reference.ref);
  }
  return { images: [...images].sort(), untagged: [...untagged].sort() };
}

function referenceOf({ where, text, certain, named }: Found, what: string): ReturnType<typeof parseImageReference> {
  const reference = parseImageReference(text);
  if (certain && !reference) throw notAnImage(what, where, text);
  if (!reference || certain) return reference;
  // Most texts look like a short name, and `host:8080/path` like an image without a tag.
  return reference.isExact && (named || reference.hasRegistry) ? reference : undefined;
}

function imagesIn(value: unknown, where: string): Found[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => imagesIn(item, where));
  if (!isRecord(value)) return [];
  return [
    ...variableOf(value, where),
    ...Object.entries(value).flatMap(([key, member]) => [
      ...imagesOfMember(key, member, where),
      ...imagesIn(member, where),
    ]),
  ];
}

function imagesOfMember(key: string, member: unknown, where: string): Found[] {
  if (key === "image") return maybeImage(member, where, true);
  if (Array.isArray(member)) return listedImages(key, member, where);
  if (key !== "data" || !isRecord(member)) return [];
  return Object.entries(member).flatMap(([name, item]) => maybeImage(item, where, /image/i.test(name)));
}

function listedImages(key: string, list: readonly unknown[], where: string): Found[] {
  if (CONTAINER_LISTS.includes(key)) return list.flatMap((item) => containerImage(item, where));
  return key === "args" || key === "command" ? list.flatMap((item) => argument(item, where)) : [];
}

function containerImage(container: unknown, where: string): Found[] {
  const image = isRecord(container) ? container["image"] : undefined;
  if (typeof image !== "string" || image === "" || image === FILLED_IN) return [];
  return [{ where, text: image, certain: true, named: true }];
}

/** `{ name, value }`, as containers list their environment. */
function variableOf({ name, value }: Readonly<Record<string, unknown>>, where: string): Found[] {
  return typeof name === "string" ? maybeImage(value, where, /image/i.test(name)) : [];
}

/** `--sidecar-image=registry/name:tag`, or the reference as an argument of its own. */
function argument(item: unknown, where: string): Found[] {
  if (typeof item !== "string") return [];
  const [, option = "", value = item] = /^(-[^=]*)=(.*)$/.exec(item) ?? [];
  return maybeImage(value, where, /image$/i.test(option));
}

function maybeImage(value: unknown, where: string, named: boolean): Found[] {
  if (typeof value !== "string" || value === FILLED_IN) return [];
  return [{ where, text: value.trim(), certain: false, named }];
}

function notAnImage(what: string, where: string, text: string): KvciError {
  return new KvciError("manifest-invalid", `${what}: ${where} has a container of image "${text.slice(0, 100)}"`, {
    hint: "That is no image reference. A template has to be rendered first (helm template, kustomize build).",
  });
}
