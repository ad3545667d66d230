/** A few types of instances, one of each sort that matters for an image: firmware, architecture, nested virtualisation. */
import type {
  DescribeInstanceTypeOfferingsRequest,
  DescribeInstanceTypesRequest,
  InstanceTypeInfo,
  InstanceTypeOffering,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import { zonesOf } from "./ec2-account.ts";
import { filtered, paged, type FilterTable } from "./ec2-answers.ts";
import type { Actions, Context } from "./world.ts";

export const instanceTypeActions: Actions = {
  DescribeInstanceTypes: describeTypes,
  DescribeInstanceTypeOfferings: describeOfferings,
};

type Row = readonly [name: string, arch: "x86_64" | "arm64", vcpus: number, gib: number, traits: string];

/** Traits: `metal`; `xen`, without ENA, UEFI and TPM; `nested`, with virtual machines inside. */
const ROWS: readonly Row[] = [
  ["t2.micro", "x86_64", 1, 1, "xen"],
  ["t3.micro", "x86_64", 2, 1, ""],
  ["t3.large", "x86_64", 2, 8, ""],
  ["m5.large", "x86_64", 2, 8, ""],
  ["m5.metal", "x86_64", 96, 384, "metal"],
  ["c5.metal", "x86_64", 96, 192, "metal"],
  ["m8i.large", "x86_64", 2, 8, "nested"],
  ["m8i.xlarge", "x86_64", 4, 16, "nested"],
  ["c8i.large", "x86_64", 2, 4, "nested"],
  ["t4g.small", "arm64", 2, 2, ""],
  ["t4g.large", "arm64", 2, 8, ""],
  ["m7g.large", "arm64", 2, 8, ""],
  ["c7g.metal", "arm64", 64, 128, "metal"],
];

const TYPES: readonly InstanceTypeInfo[] = ROWS.map(typeOf);

function typeOf([name, arch, vcpus, gib, traits]: Row): InstanceTypeInfo {
  const xen = traits === "xen";
  return {
    InstanceType: name as NonNullable<InstanceTypeInfo["InstanceType"]>,
    CurrentGeneration: !xen,
    SupportedRootDeviceTypes: ["ebs"],
    SupportedVirtualizationTypes: ["hvm"],
    BareMetal: traits === "metal",
    ...(traits === "metal" ? {} : { Hypervisor: xen ? "xen" : "nitro" }),
    ProcessorInfo: {
      SupportedArchitectures: [arch],
      ...(traits === "nested" ? { SupportedFeatures: ["nested-virtualization"] } : {}),
    },
    VCpuInfo: { DefaultVCpus: vcpus },
    MemoryInfo: { SizeInMiB: gib * 1024 },
    NetworkInfo: { EnaSupport: xen ? "unsupported" : "required" },
    SupportedBootModes: bootModes(arch, xen),
    NitroTpmSupport: xen || traits === "metal" ? "unsupported" : "supported",
  };
}

function bootModes(arch: Row[1], xen: boolean): NonNullable<InstanceTypeInfo["SupportedBootModes"]> {
  if (xen) return ["legacy-bios"];
  return arch === "arm64" ? ["uefi"] : ["legacy-bios", "uefi"];
}

const FILTERS: FilterTable<InstanceTypeInfo> = {
  by: {
    "bare-metal": ({ BareMetal }) => [String(BareMetal)],
    "current-generation": ({ CurrentGeneration }) => [String(CurrentGeneration)],
    hypervisor: ({ Hypervisor }) => [Hypervisor],
    "instance-type": ({ InstanceType }) => [InstanceType],
    "memory-info.size-in-mib": ({ MemoryInfo }) => [String(MemoryInfo?.SizeInMiB)],
    "processor-info.supported-architecture": ({ ProcessorInfo }) => ProcessorInfo?.SupportedArchitectures ?? [],
    "processor-info.supported-features": ({ ProcessorInfo }) => ProcessorInfo?.SupportedFeatures ?? [],
    "supported-boot-mode": ({ SupportedBootModes }) => SupportedBootModes ?? [],
  },
};

export function instanceTypeNamed(name: string): InstanceTypeInfo {
  const found = TYPES.find(({ InstanceType }) => InstanceType === name);
  if (found === undefined) throw noType(name);
  return found;
}

function noType(name: string): AwsFault {
  return new AwsFault("InvalidInstanceType", `The following supplied instance types do not exist: [${name}]`);
}

function describeTypes(input: DescribeInstanceTypesRequest, context: Context) {
  const wanted: readonly InstanceTypeInfo[] = input.InstanceTypes?.map(instanceTypeNamed) ?? TYPES;
  const found = filtered(wanted, input.Filters, FILTERS);
  const { page, next } = paged(found, { ...input, ids: input.InstanceTypes }, context);
  return { InstanceTypes: [...page], ...next };
}

const OFFERING_FILTERS: FilterTable<InstanceTypeOffering> = {
  by: { "instance-type": ({ InstanceType }) => [InstanceType], location: ({ Location }) => [Location] },
};

function describeOfferings(input: DescribeInstanceTypeOfferingsRequest, context: Context) {
  const LocationType = input.LocationType ?? "region";
  const byPlace = {
    region: [context.region.name],
    "availability-zone": zonesOf(context.region).map(({ name }) => name),
    "availability-zone-id": zonesOf(context.region).map(({ id }) => id),
    outpost: [],
  };
  const all = byPlace[LocationType].flatMap((Location) =>
    TYPES.map(({ InstanceType }) => ({ InstanceType, LocationType, Location })),
  );
  const { page, next } = paged(filtered(all, input.Filters, OFFERING_FILTERS), input, context);
  return { InstanceTypeOfferings: [...page], ...next };
}
