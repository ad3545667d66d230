import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import { digestOfValue } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { ARCHES, type Arch } from "../../src/core/platform.ts";
import { digestSchema } from "../../src/core/record-schemas.ts";
import type { AwsTarget } from "../../src/core/target.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { releaseName } from "../../src/publish/release-name.ts";

/** What RegisterImage is told of an image. Every one is read back in every region before anybody sees the image. */
const imageSettings = z.object({
  architecture: z.enum(["x86_64", "arm64"]),
  /** The firmware that the build was verified with, and no other: `uefi-preferred` would promise a BIOS boot that nobody tried. */
  bootMode: z.enum(["uefi", "legacy-bios"]),
  ena: z.literal(true),
  imds: z.literal("v2.0"),
  tpm: z.boolean(),
  volumeType: z.enum(["gp3", "gp2"]),
  volumeGiB: z.int(),
});

/** An image as it is wanted, in every region alike. */
export const imagePlan = z.object({
  /** Of whom: a plan or ledger made with other credentials is not run with these. */
  account: z.string(),
  name: z.string(),
  template: z.string(),
  version: z.string(),
  arch: z.enum(ARCHES),
  content: digestSchema,
  /** Digest of the settings. */
  attributes: digestSchema,
  settings: imageSettings,
});

export type ImageSettings = Readonly<z.output<typeof imageSettings>>;
export type ImagePlan = Readonly<z.output<typeof imagePlan>>;

/** Of the root volume, in the image. Nitro instances rename it; the name only has to be one that AWS takes. */
export const ROOT_DEVICE = "/dev/xvda";
const GIB = 1024 ** 3;
const ARCHITECTURES: Partial<Record<Arch, ImageSettings["architecture"]>> = { amd64: "x86_64", arm64: "arm64" };
/** See RegisterImage, Name. */
const NAME = /^[\w ()[\]./'@-]{3,128}$/;

/** @throws {KvciError} `environment-invalid` for what no AMI can be: an architecture, a name, a TPM without UEFI. */
export function imagePlanOf(build: ReleaseBuild, target: AwsTarget, account: string): ImagePlan {
  const { template, version, arch, content } = build;
  const name = releaseName(target.imageName, build);
  if (!NAME.test(name)) {
    throw invalid(
      `"${name}" is no name for an AMI`,
      "Use 3 to 128 letters, digits, spaces and ()[]./-'@_ in imageName and --release.",
    );
  }
  const settings = settingsOf(build, target);
  return { account, name, template, version, arch, content, attributes: digestOfValue(settings), settings };
}

function settingsOf({ template, arch, firmware, virtualBytes }: ReleaseBuild, target: AwsTarget): ImageSettings {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) throw invalid(`AWS has no ${arch} machines for ${template}`, "Leave that build out.");
  if (target.tpm && firmware !== "uefi") {
    throw invalid(
      `${template} ${arch} boots by BIOS, and a TPM needs UEFI`,
      "Set tpm: false, or build with UEFI firmware.",
    );
  }
  if (architecture === "arm64" && firmware !== "uefi") {
    throw invalid(`${template} ${arch} boots by BIOS`, "arm64 machines have UEFI only: build with it.");
  }
  return {
    architecture,
    bootMode: firmware === "uefi" ? "uefi" : "legacy-bios",
    ena: true,
    imds: "v2.0",
    tpm: target.tpm,
    volumeType: target.volumeType,
    volumeGiB: Math.max(1, Math.ceil(virtualBytes / GIB)),
  };
}

function invalid(message: string, hint: string): KvciError {
  return new KvciError("environment-invalid", message, { hint });
}

/**
 * A token that makes a call repeatable: the same request has the same one. It has the image's name in it because two releases of
 * one content are two images.
 *
 * @param attempt grows when what the token stands for was deleted or failed; AWS goes on answering with that otherwise.
 */
export function clientToken(
  { account, name, content, attributes }: ImagePlan,
  { region, kind, attempt }: { readonly region: string; readonly kind: string; readonly attempt: number },
): string {
  const parts = [account, region, kind, name, content, attributes, attempt];
  return createHash("sha256").update(canonicalJson(parts)).digest("hex");
}
