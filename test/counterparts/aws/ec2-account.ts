/** The account's own settings by region: regions, zones, encryption by default, block public access. */
import type {
  DescribeAvailabilityZonesResult,
  DescribeRegionsRequest,
  DescribeRegionsResult,
  EnableImageBlockPublicAccessRequest,
  EnableSnapshotBlockPublicAccessRequest,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import type { RegionRecord } from "./aws-state.ts";
import { badValue, filtered, type FilterTable } from "./ec2-answers.ts";
import { record, type Actions, type Context } from "./world.ts";

export const accountActions: Actions = {
  DescribeRegions: describeRegions,
  DescribeAvailabilityZones: describeZones,
  GetEbsEncryptionByDefault: (_: object, { region }) => ({ EbsEncryptionByDefault: region.encryptionByDefault }),
  EnableEbsEncryptionByDefault: (_: object, context) => setEncryption(true, context),
  DisableEbsEncryptionByDefault: (_: object, context) => setEncryption(false, context),
  GetImageBlockPublicAccessState: (_: object, { region }) => ({
    ImageBlockPublicAccessState: region.imageBlock.state,
    ManagedBy: region.imageBlock.managedBy,
  }),
  EnableImageBlockPublicAccess: (input: EnableImageBlockPublicAccessRequest, context) =>
    setImageBlock(input.ImageBlockPublicAccessState ?? "block-new-sharing", context),
  DisableImageBlockPublicAccess: (_: object, context) => setImageBlock("unblocked", context),
  GetSnapshotBlockPublicAccessState: (_: object, { region }) => ({
    State: region.snapshotBlock.state,
    ManagedBy: region.snapshotBlock.managedBy,
  }),
  EnableSnapshotBlockPublicAccess: (input: EnableSnapshotBlockPublicAccessRequest, context) =>
    setSnapshotBlock(input.State ?? "block-new-sharing", context),
  DisableSnapshotBlockPublicAccess: (_: object, context) => setSnapshotBlock("unblocked", context),
};

const FILTERS: FilterTable<RegionRecord> = {
  by: {
    endpoint: ({ name }) => [endpointOf(name)],
    "opt-in-status": ({ optIn }) => [optIn],
    "region-name": ({ name }) => [name],
  },
};

function endpointOf(region: string): string {
  return `ec2.${region}.amazonaws.com`;
}

function describeRegions(input: DescribeRegionsRequest, { world }: Context): DescribeRegionsResult {
  const all = [...world.state.regions.values()];
  for (const name of input.RegionNames ?? []) {
    if (!world.state.regions.has(name)) throw badValue(`Invalid region name: ${name}`);
  }
  const wanted = all.filter(
    ({ name, optIn }) =>
      (input.RegionNames?.includes(name) ?? true) && (input.AllRegions === true || optIn !== "not-opted-in"),
  );
  const regions = filtered(wanted, input.Filters, FILTERS);
  return {
    Regions: regions.map(({ name, optIn }) => ({ RegionName: name, Endpoint: endpointOf(name), OptInStatus: optIn })),
  };
}

export function zonesOf({ name }: RegionRecord): readonly { readonly id: string; readonly name: string }[] {
  return ["a", "b", "c"].map((letter, index) => ({ name: `${name}${letter}`, id: `${name}-az${index + 1}` }));
}

function describeZones(_: object, { region }: Context): DescribeAvailabilityZonesResult {
  const zones = zonesOf(region).map(({ id, name }) => ({
    ZoneName: name,
    ZoneId: id,
    RegionName: region.name,
    State: "available" as const,
    ZoneType: "availability-zone",
    OptInStatus: "opt-in-not-required" as const,
  }));
  return { AvailabilityZones: zones };
}

function setEncryption(on: boolean, context: Context): object {
  context.region.encryptionByDefault = on;
  record(context, { kind: "settings-changed", id: "ebs-encryption-by-default", detail: String(on) });
  return { EbsEncryptionByDefault: on };
}

function checkManaged({ managedBy }: RegionRecord["imageBlock"] | RegionRecord["snapshotBlock"]): void {
  if (managedBy === "account") return;
  throw new AwsFault("OperationNotPermitted", "This setting is managed by a declarative policy of the organization");
}

/** Answered at once, in force a while later. */
function setImageBlock(state: RegionRecord["imageBlock"]["state"], context: Context): object {
  const { region } = context;
  checkManaged(region.imageBlock);
  later(context, () => (region.imageBlock = { ...region.imageBlock, state }));
  record(context, { kind: "settings-changed", id: "image-block-public-access", detail: state });
  return { ImageBlockPublicAccessState: state };
}

function setSnapshotBlock(state: RegionRecord["snapshotBlock"]["state"], context: Context): object {
  const { region } = context;
  checkManaged(region.snapshotBlock);
  later(context, () => (region.snapshotBlock = { ...region.snapshotBlock, state }));
  record(context, { kind: "settings-changed", id: "snapshot-block-public-access", detail: state });
  return { State: state };
}

function later({ world }: Context, change: () => void): void {
  if (world.delays.blockAccessMs === 0) change();
  else setTimeout(change, world.delays.blockAccessMs).unref();
}
