import { z } from "zod";
import { downloadUrl } from "./download-url.ts";
import { isDigest, type Digest } from "./digest.ts";
import { checkInput, recordOf } from "./input.ts";
import type { Arch, Platform } from "./platform.ts";

const DISTRIBUTIONS = ["debian", "ubuntu", "fedora", "centos"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

const distribution = z.enum(DISTRIBUTIONS);
const release = z.string().regex(/^[a-z0-9][a-z0-9.]*$/, 'a release such as "12", "24.04", "43" or "9" is needed');

const digest = z.custom<Digest>(
  (value) => typeof value === "string" && isDigest(value),
  "write it as sha256: and 64 hexadecimal digits, lower case",
);
const bootLoader = z.enum(["grub", "systemd-boot", "zipl"]);
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+._-]*$/i, "that is not a package name");

export const cloudImageSchema = recordOf({
  kind: z.literal("cloud-image"),
  distribution,
  release,
  url: downloadUrl.optional(),
  mirrors: z.array(downloadUrl).default([]),
  digest: digest.optional(),
}).refine((image) => (image.url === undefined) === (image.digest === undefined), {
  error: "url and digest go together: a URL alone says nothing about the bytes",
  path: ["digest"],
});

export const packagesSchema = recordOf({
  kind: z.literal("packages"),
  distribution,
  release,
  include: z.array(packageName).default([]),
});

export const localDiskSchema = recordOf({
  kind: z.literal("local-disk"),
  path: z.string().min(1),
  distribution,
  release,
  bootLoader: bootLoader.default("grub"),
});

const templateResultSchema = recordOf({ kind: z.literal("template"), name: z.string().min(1) });

/** What a template starts from. */
export const baseSchema = z.discriminatedUnion("kind", [
  cloudImageSchema,
  packagesSchema,
  localDiskSchema,
  templateResultSchema,
]);

/** A distribution's own cloud image; without `url` and `digest`, what the lock has for distribution and release. */
export type CloudImage = Readonly<z.output<typeof cloudImageSchema>>;
/** A bootable disk made from a distribution's packages: GPT, ESP and root, systemd, OpenSSH, cloud-init. */
export type PackagesBase = Readonly<z.output<typeof packagesSchema>>;
/** A disk image file on this machine, any format that qemu-img reads. */
export type LocalDisk = Readonly<z.output<typeof localDiskSchema>>;
/** The result of another template, sealed. */
export type TemplateResult = Readonly<z.output<typeof templateResultSchema>>;
export type BaseImage = CloudImage | PackagesBase | LocalDisk | TemplateResult;
/** Bases that are made or fetched; what a chain of templates ends on. */
export type RootBase = Exclude<BaseImage, TemplateResult>;

/** What every base says about the system on it: steps choose their commands by it. */
export interface SystemInput {
  /** `ID` of the system's os-release: "debian", "ubuntu", "fedora" or "centos". */
  readonly distribution: Distribution;
  /** The release as people write it: "12", "24.04", "43", "9". */
  readonly release: string;
}

/** What `cloudImage` takes. */
export interface CloudImageInput extends SystemInput {
  /** Where the image is; goes together with `digest`. Without both, what the lock has for distribution and release. */
  readonly url?: string | undefined;
  /** Further URLs of the same bytes, tried in order when the first fails. Never part of a key. */
  readonly mirrors?: readonly string[] | undefined;
  /** Digest of the image as downloaded: `sha256:` and 64 hexadecimal digits, or `sha512:` and 128. */
  readonly digest?: Digest | undefined;
}

/** What `packages` takes. */
export interface PackagesInput extends SystemInput {
  /** Packages that are in the base itself, beside what makes it boot and answer SSH. */
  readonly include?: readonly string[] | undefined;
}

/** What `localDisk` takes beside the path. */
export interface LocalDiskInput extends SystemInput {
  /** What loads the kernel from that disk; kernel arguments are set through it. Default: "grub". */
  readonly bootLoader?: "grub" | "systemd-boot" | "zipl" | undefined;
}

/** A base as a template may write it; the functions below return the same with defaults filled in. */
export type BaseInput =
  | ({ readonly kind: "cloud-image" } & CloudImageInput)
  | ({ readonly kind: "packages" } & PackagesInput)
  | ({ readonly kind: "local-disk"; readonly path: string } & LocalDiskInput)
  | TemplateResult;

/** A distribution's cloud image. `kvci-build lock` fills in URL and digest unless both are given. */
export function cloudImage(input: CloudImageInput): CloudImage {
  return base({ kind: "cloud-image", ...input }) as CloudImage;
}

/** A base made from a distribution's packages; needs nothing but a package mirror. `include` adds packages to the base. */
export function packages(input: PackagesInput): PackagesBase {
  return base({ kind: "packages", ...input }) as PackagesBase;
}

/** A disk image on this machine; `path` is relative to the template's folder. */
export function localDisk(path: string, input: LocalDiskInput): LocalDisk {
  return base({ kind: "local-disk", path, ...input }) as LocalDisk;
}

/** The sealed result of another template, by the name it is looked up with on the command line. */
export function fromTemplate(name: string): TemplateResult {
  return base({ kind: "template", name }) as TemplateResult;
}

function base(value: unknown): BaseImage {
  return checkInput(baseSchema, value, {
    code: "template-invalid",
    what: "base",
    hint: "See the bases in docs/templates.md.",
  });
}

/** The platform a base gives its steps on one architecture. */
export function platformOf(root: RootBase, arch: Arch): Platform {
  const family = root.distribution === "debian" || root.distribution === "ubuntu" ? "apt" : "dnf";
  return {
    os: "linux",
    arch,
    family,
    distribution: root.distribution,
    release: root.release,
    bootLoader: bootLoaderOf(root, arch),
  };
}

function bootLoaderOf(root: RootBase, arch: Arch): Platform["bootLoader"] {
  if (arch === "s390x") return "zipl";
  if (root.kind === "local-disk") return root.bootLoader;
  return root.kind === "packages" ? "systemd-boot" : "grub";
}
