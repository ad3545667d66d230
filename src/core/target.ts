import { z } from "zod";
import { recordOf } from "./input.ts";

/** A name with `{template}`, `{version}`, `{arch}` and `{date}` in it, filled in for a release. */
const nameTemplate = z.string().min(1).max(200);
const tag = z
  .string()
  .regex(
    /^[\w{}][\w.{}-]{0,127}$/,
    "a tag is letters, digits, dots, dashes and underscores, or {version} and the like",
  );

/** What a plan counts, as far as somebody may ask money for it. */
export const PRICED_UNITS = [
  "GiB sent",
  "requests",
  "copies",
  "GiB between regions",
  "GiB-months of snapshots",
  "GiB of disk to pack",
  "instance-minutes",
] as const;

const price = z.number().min(0).optional();
/** Prices change, so they have a date; what has none costs something unknown in a plan, never nothing. */
const prices = recordOf({
  asOf: z.iso.date(),
  /** US dollars for one of each. */
  usd: recordOf(Object.fromEntries(PRICED_UNITS.map((unit) => [unit, price])) as Record<PricedUnit, typeof price>),
});

type PricedUnit = (typeof PRICED_UNITS)[number];

const registryTarget = recordOf({
  kind: z.literal("registry"),
  /** What `--target` calls it; several targets may share a name. Default: "registry", or "quay" for quay.io. */
  name: z.string().min(1).optional(),
  /** Repository with its registry: `quay.io/kubevirtci/{template}`. */
  repository: nameTemplate,
  /** Tags of this release, set last; one that exists and stands for something else is a conflict. */
  tags: z.array(tag).min(1).default(["{version}"]),
  /** Tags that move from release to release. */
  floatingTags: z.array(tag).default([]),
  /** Which image of the build. */
  image: z.enum(["container-disk", "layered-disk"]).default("container-disk"),
  /** Attach SBOM, verification result and provenance as referrers. */
  referrers: z.boolean().default(true),
  /** A registry that a release may lack: its failure makes the release partial, not failed. */
  required: z.boolean().default(true),
  /** Plain HTTP; for a registry on this machine only. */
  insecure: z.boolean().default(false),
  prices: prices.optional(),
});

/** From where SSH gets at what the boot smoke test starts. Default: everywhere, for minutes and to one key. */
const smokeSshFrom = z.array(z.union([z.cidrv4(), z.cidrv6()])).optional();

/** Where sshd listens in the image. */
const smokeSshPort = z.int().min(1).max(65_535).default(22);

const region = z.string().regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/, 'a region such as "us-east-1" is needed');

const awsTarget = recordOf({
  kind: z.literal("aws"),
  name: z.string().min(1).default("aws"),
  /** Name of the AMI. */
  imageName: nameTemplate.default("{template}-{version}-{arch}"),
  /** Where the snapshot is uploaded to; the others are copies. */
  region: region.default("us-east-1"),
  /** Regions that a release must have. "all": every region that the account has enabled. */
  regions: z.union([z.literal("all"), z.array(region)]).default([]),
  /** Regions that a release may lack. */
  bestEffortRegions: z.array(region).default([]),
  public: z.boolean().default(false),
  /** Account numbers, organisation and unit ARNs that may start the AMI. */
  accounts: z.array(z.string().regex(/^\d{12}$/, "an account number has 12 digits")).default([]),
  organizations: z.array(z.string().regex(/^arn:aws[\w-]*:organizations:/, "an ARN is needed")).default([]),
  tpm: z.boolean().default(false),
  volumeType: z.enum(["gp3", "gp2"]).default("gp3"),
  /** SSM parameters are `<prefix>/<version>/<arch>` and `<prefix>/latest/<arch>`; `{template}` tells templates apart. */
  ssmPrefix: z
    .string()
    .regex(/^\/[\w./{}-]+$/, "a parameter's path begins with /")
    .optional(),
  /** Months until an AMI is deprecated; superseded ones are at once. */
  deprecateAfterMonths: z.int().min(1).max(24).default(24),
  /** Superseded releases that `publish gc` keeps. */
  keep: z.int().min(0).default(3),
  /**
   * Instance type for the boot smoke test; nested virtualisation wants bare metal or a family that has it. Default: two processors
   * and 8 GiB of the build's architecture.
   */
  smokeInstanceType: z.string().min(1).optional(),
  smokeSshFrom,
  smokeSshPort,
  prices: prices.optional(),
});

const gcpTarget = recordOf({
  kind: z.literal("gcp"),
  name: z.string().min(1).default("gcp"),
  project: z.string().regex(/^[a-z][a-z0-9.:-]{4,60}[a-z0-9]$/, "a project id is needed"),
  /** Bucket for the upload; with `export`, also where the tarball stays. */
  bucket: z.string().min(3).max(63),
  imageName: nameTemplate.default("{template}-{version}-{arch}"),
  family: nameTemplate.optional(),
  storageLocations: z.array(z.string().min(1)).default([]),
  public: z.boolean().default(false),
  /** Members who may use the image: `user:…`, `group:…`, `serviceAccount:…`. */
  members: z.array(z.string().min(1)).default([]),
  licenses: z.array(z.string().min(1)).default(["projects/vm-options/global/licenses/enable-vmx"]),
  guestOsFeatures: z
    .array(z.string().regex(/^[A-Z0-9_]+$/))
    .default(["UEFI_COMPATIBLE", "GVNIC", "VIRTIO_SCSI_MULTIQUEUE"]),
  /** Keep the tarball as a release file: its object's name. */
  export: recordOf({ object: nameTemplate, public: z.boolean().default(false) }).optional(),
  keep: z.int().min(0).default(3),
  /** Where the boot smoke test is made; without it there is none, and an image cannot become public. */
  smokeZone: z.string().min(1).optional(),
  /** Its machine type. Default: by the image's architecture; no type is for all. */
  smokeMachineType: z.string().min(1).optional(),
  smokeSshFrom,
  smokeSshPort,
  prices: prices.optional(),
});

/** Somewhere a build is published to. */
export const targetSchema = z.discriminatedUnion("kind", [registryTarget, awsTarget, gcpTarget]);

export type Target = Readonly<z.output<typeof targetSchema>>;
export type TargetInput = z.input<typeof targetSchema>;
export type RegistryTarget = Readonly<z.output<typeof registryTarget>>;
export type AwsTarget = Readonly<z.output<typeof awsTarget>>;
export type GcpTarget = Readonly<z.output<typeof gcpTarget>>;
export type Prices = Readonly<z.output<typeof prices>>;

/** Whether everybody gets what is published there. Of a registry only the registry knows. */
export function isPublic(target: Target): boolean {
  if (target.kind === "registry") return false;
  return target.public || (target.kind === "gcp" && target.export?.public === true);
}

/** Whether anybody beside the owner gets it. */
export function isShared(target: Target): boolean {
  if (target.kind === "registry") return false;
  const others = target.kind === "aws" ? [...target.accounts, ...target.organizations] : target.members;
  return isPublic(target) || others.length > 0;
}
