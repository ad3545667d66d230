import { z } from "zod";
import { digestOfValue } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { ARCHES, type Arch } from "../../src/core/platform.ts";
import { digestSchema } from "../../src/core/record-schemas.ts";
import type { GcpTarget } from "../../src/core/target.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { releaseName } from "../../src/publish/release-name.ts";
import { paddedBytes, packing } from "./tarball.ts";

/** What images.insert is told of an image. Every one is read back before anybody sees the image. */
const imageSettings = z.object({
  architecture: z.enum(["X86_64", "ARM64"]),
  diskGiB: z.int(),
  guestOsFeatures: z.array(z.string()),
  licenses: z.array(z.string()),
  /** None: where Google keeps images of the bucket's location. */
  storageLocations: z.array(z.string()),
});

/** An image as it is wanted. */
export const imagePlan = z.object({
  project: z.string(),
  bucket: z.string(),
  name: z.string(),
  template: z.string(),
  version: z.string(),
  arch: z.enum(ARCHES),
  virtualBytes: z.int(),
  content: digestSchema,
  /** Digest of the settings. */
  attributes: digestSchema,
  settings: imageSettings,
  family: z.string().nullable(),
  /** Where the tarball is uploaded to; its name is of this content for this target alone. */
  upload: z.string(),
  /** Where the tarball stays as a release file. */
  export: z.object({ object: z.string(), public: z.boolean() }).nullable(),
});

export type ImageSettings = Readonly<z.output<typeof imageSettings>>;
export type ImagePlan = Readonly<z.output<typeof imagePlan>>;
export type NamedGcpTarget = GcpTarget & { readonly name: string };

/** Everything that is uploaded begins with this. */
export const UPLOAD_PREFIX = "kvci-build/";
const GIB = 2 ** 30;
const ARCHITECTURES: Partial<Record<Arch, ImageSettings["architecture"]>> = { amd64: "X86_64", arm64: "ARM64" };
/** Names of Compute Engine's resources: RFC 1035. */
const RESOURCE_NAME = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

/** @throws {KvciError} `environment-invalid` for what no image can be: an architecture, a name, a member. */
export function imagePlanOf(build: ReleaseBuild, target: NamedGcpTarget): ImagePlan {
  const { template, version, arch, content, virtualBytes } = build;
  const settings = settingsOf(build, target);
  const { project, bucket } = target;
  const key = digestOfValue({ content, project, bucket, target: target.name, packing: packing() });
  const object = target.export && releaseName(target.export.object, build);
  return {
    project,
    bucket,
    name: resourceName("imageName", target.imageName, build),
    template,
    version,
    arch,
    virtualBytes,
    content,
    attributes: digestOfValue(settings),
    settings,
    family: target.family === undefined ? null : resourceName("family", target.family, build),
    upload: `${UPLOAD_PREFIX}${template}-${arch}-${key.slice("sha256:".length, "sha256:".length + 32)}.tar.gz`,
    export: object === undefined || !target.export ? null : { object, public: target.export.public },
  };
}

function settingsOf({ template, arch, firmware, virtualBytes }: ReleaseBuild, target: GcpTarget): ImageSettings {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) {
    throw invalid(`Google Cloud has no ${arch} machines for ${template}`, "Leave that build out.");
  }
  if (architecture === "ARM64" && firmware !== "uefi") {
    throw invalid(`${template} ${arch} boots by BIOS`, "arm64 machines have UEFI only: build with it.");
  }
  // What the build was verified with, whatever the environment lists: a disk that boots by BIOS must not promise UEFI.
  const others = target.guestOsFeatures.filter((feature) => feature !== "UEFI_COMPATIBLE");
  return {
    architecture,
    diskGiB: paddedBytes(virtualBytes) / GIB,
    guestOsFeatures: sorted(firmware === "uefi" ? [...others, "UEFI_COMPATIBLE"] : others),
    licenses: sorted(target.licenses.map((license) => license.slice(Math.max(0, license.indexOf("projects/"))))),
    storageLocations: sorted(target.storageLocations),
  };
}

function sorted(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}

/** Dots and the like become dashes: "1.31.2" is a version, and no part of a name here. */
function resourceName(field: string, pattern: string, build: ReleaseBuild): string {
  const name = releaseName(pattern, build)
    .toLowerCase()
    .replace(/[._+~]/g, "-");
  if (RESOURCE_NAME.test(name)) return name;
  throw invalid(
    `"${name}" is no name that Compute Engine takes`,
    `${field} and the release are to make at most 63 lower-case letters, digits and dashes, a letter first and no dash last.`,
  );
}

/** Who may use the image, as IAM writes it. @throws {KvciError} `environment-invalid` */
export function membersOf({ public: isPublic, members }: GcpTarget): readonly string[] {
  const wrong = members.find((member) => /^all(?:Authenticated)?Users$/i.test(member));
  if (wrong !== undefined) {
    throw invalid(
      `"${wrong}" is no member of its own`,
      'Write public: true: it grants "allAuthenticatedUsers"; images take no "allUsers".',
    );
  }
  const odd = members.find(
    (member) => !/^(?:user|group|serviceAccount|domain|principal|principalSet):.+$/.test(member),
  );
  if (odd !== undefined) {
    throw invalid(
      `"${odd}" is no member that IAM knows`,
      "Write user:…, group:…, serviceAccount:… or domain:… in members.",
    );
  }
  return sorted([...members, ...(isPublic ? ["allAuthenticatedUsers"] : [])]);
}

/** Set in the call that creates the image. Values are short, so the digests are whole in the description only. */
export function labelsOf({
  content,
  attributes,
  template,
  version,
  arch,
}: ImagePlan): Readonly<Record<string, string>> {
  return {
    "kvci-managed": "true",
    "kvci-content": digestLabel(content),
    "kvci-attrs": digestLabel(attributes),
    "kvci-template": labelValue(template),
    "kvci-version": labelValue(version),
    "kvci-arch": arch,
  };
}

function digestLabel(digest: string): string {
  return digest.replace(/^sha\d+:/, "").slice(0, 63);
}

function labelValue(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "-")
    .slice(0, 63);
}

export function descriptionOf({ content, attributes, template, version, arch }: ImagePlan): string {
  return [`${template} ${version} ${arch}, made by kvci-build`, `content ${content}`, `attributes ${attributes}`].join(
    "\n",
  );
}

/** What an object says of the disk in it. */
export function objectMetadata({ content, template, version, arch }: ImagePlan): Readonly<Record<string, string>> {
  return {
    "kvci-managed": "true",
    "kvci-content": content,
    "kvci-template": template,
    "kvci-version": version,
    "kvci-arch": arch,
    "kvci-packing": packing(),
  };
}

function invalid(message: string, hint: string): KvciError {
  return new KvciError("environment-invalid", message, { hint });
}
