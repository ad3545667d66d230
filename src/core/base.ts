import { z } from "zod";
import { isDigest, type Digest } from "./digest.ts";
import { checkInput } from "./input.ts";
import type { Arch, Platform } from "./platform.ts";

const DISTRIBUTIONS = ["debian", "ubuntu", "fedora", "centos"] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

const distribution = z.enum(DISTRIBUTIONS);
const release = z.string().regex(/^[a-z0-9][a-z0-9.]*$/, 'a release such as "12", "24.04", "43" or "9" is needed');
const url = z.url({ protocol: /^https?$/, error: "an http or https URL is needed" });
const digest = z.custom<Digest>((value) => typeof value === "string" && isDigest(value), "write it as sha256:<64 hexadecimal digits>");
const bootLoader = z.enum(["grub", "systemd-boot", "zipl"]);
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+._-]*$/i, "that is not a package name");

const cloudImageSchema = z
  .strictObject({
    kind: z.literal("cloud-image"),
    distribution,
    release,
    url: url.optional(),
    mirrors: z.array(url).default([]),
    digest: digest.optional(),
  })
  .refine((image) => (image.url === undefined) === (image.digest === undefined), {
    error: "url and digest go together: a URL alone says nothing about the bytes",
    path: ["digest"],
  });

const packagesSchema = z.strictObject({
  kind: z.literal("packages"),
  distribution,
  release,
  include: z.array(packageName).default([]),
});

const localDiskSchema = z.strictObject({
  kind: z.literal("local-disk"),
  path: z.string().min(1),
  distribution,
  release,
  bootLoader: bootLoader.default("grub"),
});

const templateResultSchema = z.strictObject({ kind: z.literal("template"), name: z.string().min(1) });

/** What a template starts from. */
export const baseSchema = z.discriminatedUnion("kind", [cloudImageSchema, packagesSchema, localDiskSchema, templateResultSchema]);

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

/** A distribution's cloud image. `kvci-build lock` fills in URL and digest unless both are given. */
export function cloudImage(input: Omit<z.input<typeof cloudImageSchema>, "kind">): CloudImage {
  return base({ kind: "cloud-image", ...input }) as CloudImage;
}

/** A base made from a distribution's packages; needs nothing but a package mirror. `include` adds packages to the base. */
export function packages(input: Omit<z.input<typeof packagesSchema>, "kind">): PackagesBase {
  return base({ kind: "packages", ...input }) as PackagesBase;
}

/** A disk image on this machine; `path` is relative to the template's folder. */
export function localDisk(path: string, input: Omit<z.input<typeof localDiskSchema>, "kind" | "path">): LocalDisk {
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
