import { z } from "zod";
import { downloadUrl } from "../../core/download-url.ts";
import { recordOf, type DeepReadonly } from "../../core/input.ts";
import type { ImageOp, LoadImages, ManifestEdit, Op } from "../../core/op.ts";
import { fetchIn, fetchManifest, loadImages, run, writeFile } from "../../core/op-makers.ts";
import type { Arch } from "../../core/platform.ts";
import type { Step } from "../../core/step.ts";
import { checkStep, fileName } from "../step-input.ts";

/** Where the image has the addons: a folder and a record for each. */
export const ADDONS_DIR = "/etc/kubernetes/addons";

const manifestFile = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]*\.yaml$/, 'a file name such as "storage-class.yaml" is needed');
const plainFile = z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'a file name such as "values.yaml" is needed');
const edits = z.array(z.custom<ManifestEdit>((value) => typeof value === "object" && value !== null));

const manifestSchema = z.union(
  [
    downloadUrl,
    recordOf({ url: downloadUrl, edits }),
    /** One that nobody publishes. Its images go into `images`: nothing locks it, so nothing looks into it. */
    recordOf({ file: manifestFile, content: z.string().min(1) }),
  ],
  { error: 'a URL, { url, edits } or { file: "name.yaml", content } is needed' },
);

/** With `{arch}` in it, which is no part of a URL. */
const programUrl = z
  .string()
  .refine((url) => downloadUrl.safeParse(url.replaceAll("{arch}", "amd64")).success, "an http or https URL is needed");

const readySchema = recordOf({
  kind: z.string().min(1),
  name: z.string().min(1),
  /** None for what has no namespace. */
  namespace: z.string().min(1).optional(),
  /** For `kubectl wait --for=condition=…`; "Rollout" for `kubectl rollout status`: a DaemonSet has no conditions. */
  condition: z.string().min(1),
  /** Seconds, images being there already. */
  timeoutSeconds: z.int().min(1).max(3600),
});

const addonSchema = recordOf({
  /** Names the folder of its manifests: `/etc/kubernetes/addons/<name>`. */
  name: fileName,
  /** Stands wherever an entry says `{version}`. */
  version: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+_-]*$/, 'a version such as "v1.66.1" is needed'),
  /** In the order in which they are applied. */
  manifests: z.array(manifestSchema).default([]),
  /** Images that no manifest names: those that an operator makes up from its own version. */
  images: z.array(z.string().min(1)).default([]),
  /** Files for the commands below, beside the manifests: in the folder `files`, which kubectl does not look into. */
  files: z.array(recordOf({ file: plainFile, content: z.string().min(1) })).default([]),
  /** Run after the manifests are applied, on the control plane: what installs itself by a program. */
  commands: z.array(z.array(z.string().min(1)).min(1)).default([]),
  /** Programs of the node that the addon is installed with, each alone in a gzipped tar archive; `{arch}` is amd64, arm64, … */
  programs: z.array(recordOf({ name: fileName, url: programUrl })).default([]),
  /** Image profiles that hold its images; "full" holds those of all addons. */
  profiles: z.array(fileName).default([]),
  /** What to wait for once its manifests are applied. */
  ready: z.array(readySchema).default([]),
});

const addonsSchema = z.array(addonSchema).superRefine((list, context) => {
  const names = list.map(({ name }) => name);
  list.forEach(({ name }, index) => {
    if (names.indexOf(name) !== index) {
      context.addIssue({ code: "custom", path: [index, "name"], message: `addon "${name}" is there twice` });
    }
  });
});

/** One thing that can be installed into a cluster: manifests, the images they start, and how to tell that it runs. Data only. */
export type AddonInput = DeepReadonly<z.input<typeof addonSchema>>;
/** A checked addon, `{version}` filled in. */
export type Addon = DeepReadonly<z.output<typeof addonSchema>>;

/** Checks addons and fills in their versions. @throws {InputError} `template-invalid` with every mistake. */
export function addonsOf(entries: readonly AddonInput[]): readonly Addon[] {
  // Filled in first: with the braces in them these are no URLs.
  const filled = entries.map((entry) => fillIn(entry, entry.version));
  return checkStep("addons", addonsSchema, filled);
}

function fillIn<T>(value: T, version: unknown): T {
  if (typeof value === "string") return value.replaceAll("{version}", String(version)) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => fillIn(item, version)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn<unknown>(item, version)])) as T;
}

/** The addons whose images a profile holds. */
export function addonsInProfile(addons: readonly Addon[], profile: string): readonly Addon[] {
  return addons.filter(({ profiles }) => profile === "full" || profiles.includes(profile));
}

/**
 * Puts the manifests of addons into the image, `kubectl apply -f /etc/kubernetes/addons/<name>` applies them in order. Beside
 * each folder, `<name>.json` says what to wait for then. Small, so every image has all of them; images are another step's.
 *
 * @throws {InputError} `template-invalid`
 */
export function addonManifests(entries: readonly AddonInput[]): Step<ImageOp> {
  const ops = addonsOf(entries).flatMap(manifestOps);
  return { name: "addon-manifests", ops: () => ops };
}

export interface AddonImagesInput {
  readonly runtime: LoadImages["runtime"];
  readonly addons: readonly AddonInput[];
  /** Further images, and URLs of further manifests whose images are wanted. */
  readonly images?: readonly string[];
  readonly manifests?: readonly string[];
}

/**
 * Imports the images of addons, those that their manifests name among them, and installs the programs that they come with.
 *
 * @throws {InputError} `template-invalid`
 */
export function addonImages({ runtime, addons: entries, ...further }: AddonImagesInput): Step {
  const addons = addonsOf(entries);
  const images = unique([...(further.images ?? []), ...addons.flatMap((addon) => addon.images)]);
  const manifests = unique([
    ...(further.manifests ?? []),
    ...addons.flatMap((addon) => addon.manifests.flatMap(urlOf)),
  ]);
  const load: readonly Op[] = images.length + manifests.length > 0 ? [loadImages(runtime, { images, manifests })] : [];
  return {
    name: "addon-images",
    ops: ({ arch }) => [
      ...addons.flatMap(({ programs }) => programs.flatMap((each) => programOps(each, arch))),
      ...load,
    ],
  };
}

/** Sorted, so that the order of entries does not make another plan. */
function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}

function urlOf(manifest: Addon["manifests"][number]): readonly string[] {
  if (typeof manifest === "string") return [manifest];
  return "url" in manifest ? [manifest.url] : [];
}

function manifestOps({ name, version, manifests, files: ownFiles, commands, ready }: Addon): readonly ImageOp[] {
  const files = manifests.map((manifest, index) => `${String(index + 1).padStart(2, "0")}-${fileOf(manifest)}`);
  const record = { formatVersion: 1, name, version, manifests: files, commands, ready };
  return [
    ...manifests.map((manifest, index) => placeManifest(manifest, `${ADDONS_DIR}/${name}/${files[index] ?? ""}`)),
    ...ownFiles.map(({ file, content }) => writeFile(`${ADDONS_DIR}/${name}/files/${file}`, content)),
    // Not in the folder: kubectl would take it for a manifest.
    writeFile(`${ADDONS_DIR}/${name}.json`, `${JSON.stringify(record, null, 2)}\n`),
  ];
}

/** The last part of the URL, with an ending that kubectl looks at. */
function fileOf(manifest: Addon["manifests"][number]): string {
  if (typeof manifest === "object" && "file" in manifest) return manifest.file;
  const url = typeof manifest === "string" ? manifest : manifest.url;
  const file = new URL(url).pathname.split("/").at(-1) ?? "";
  return /\.(?:ya?ml|json)$/.test(file) ? file : `${file}.yaml`;
}

function placeManifest(manifest: Addon["manifests"][number], path: string): ImageOp {
  if (typeof manifest === "string") return fetchManifest(manifest, path);
  return "url" in manifest ? fetchManifest(manifest.url, path, manifest.edits) : writeFile(path, manifest.content);
}

/** Through /run, which is memory: the archive is in no layer. */
function programOps({ name, url }: Addon["programs"][number], arch: Arch): readonly ImageOp[] {
  const archive = `/run/kvci-${name}.tar.gz`;
  return [
    fetchIn(url.replaceAll("{arch}", arch), archive),
    run("tar", "--extract", "--gzip", "--no-same-owner", `--file=${archive}`, "--directory=/usr/local/bin", name),
    run("rm", archive),
  ];
}
