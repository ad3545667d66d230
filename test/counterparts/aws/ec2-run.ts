/** RunInstances: what an instance is given, and whether image, type, key and network go together. */
import type { InstanceTypeInfo, RunInstancesRequest } from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import { newId, type ImageRecord, type InstanceRecord } from "./aws-state.ts";
import { badCombination, badValue, tagsFor } from "./ec2-answers.ts";
import { imageById, imageStateOf } from "./ec2-images.ts";
import { instanceTypeNamed } from "./ec2-instance-types.ts";
import { keyPairNamed } from "./ec2-key-pairs.ts";
import { groupById, subnetsOf } from "./ec2-network.ts";
import { idsOfToken, newVisibility, record, type Context, type RunRequest } from "./world.ts";

const MOST_USER_DATA_BYTES = 16_384;
const TAGGED = ["instance", "volume", "network-interface"];

/** The instances that a request makes; those it made before, if its token says so. */
export function runInstances(input: RunInstancesRequest, context: Context): readonly InstanceRecord[] {
  const { region } = context;
  const token = { kind: "RunInstances", value: input.ClientToken, request: input };
  const { known, keep } = idsOfToken(context, token, "IdempotentParameterMismatch");
  if (known !== undefined) return known.flatMap((id) => region.instances.get(id) ?? []);
  const { MinCount: least = 1, MaxCount: most = 1 } = input;
  if (least < 1 || most < least) throw badValue("MinCount and MaxCount: from 1, in order");
  const image = usableImage(context, input.ImageId);
  checkType(input, image);
  const keyPair = keyPairNamed(context, input.KeyName);
  const userData = decoded(input.UserData ?? "");
  const made = Array.from({ length: most }, () => newInstance(input, image, context));
  for (const instance of made) {
    region.instances.set(instance.id, instance);
    record(context, { kind: "instance-run", id: instance.id, detail: image.id });
    startMachine({ image, instance, userData, keyPair, region: region.name, snapshotId: rootSnapshot(image) }, context);
  }
  image.lastLaunchedMs = context.nowMs;
  keep(made.map(({ id }) => id));
  return made;
}

function usableImage(context: Context, id: string | undefined): ImageRecord {
  if (id === undefined) throw new AwsFault("MissingParameter", "The request must contain the parameter ImageId");
  const image = imageById(context, id);
  const state = imageStateOf(image, context.nowMs);
  if (state === "available") return image;
  throw new AwsFault("InvalidAMIID.Unavailable", `The image ID '${id}' is ${state}`);
}

function rootSnapshot({ mappings, rootDeviceName }: ImageRecord): string {
  return mappings.find(({ DeviceName }) => DeviceName === rootDeviceName)?.Ebs?.SnapshotId ?? "";
}

function checkType({ CpuOptions, InstanceType = "t2.micro" }: RunInstancesRequest, image: ImageRecord): void {
  const type = instanceTypeNamed(InstanceType);
  const archs: readonly string[] = type.ProcessorInfo?.SupportedArchitectures ?? [];
  if (!archs.includes(image.architecture)) {
    throw badValue(`'${archs.join()}' of ${InstanceType} does not match '${image.architecture}' of the AMI`);
  }
  checkFirmware(type, image);
  if (CpuOptions?.NestedVirtualization === "enabled") checkNested(type);
}

function checkNested(type: InstanceTypeInfo): void {
  const features = type.ProcessorInfo?.SupportedFeatures ?? [];
  if (!features.includes("nested-virtualization")) throw unfit(type, "nested virtualization");
}

function checkFirmware(type: InstanceTypeInfo, { bootMode = "legacy-bios", tpm, ena }: ImageRecord): void {
  const { NitroTpmSupport: nitroTpm, SupportedBootModes = [] } = type;
  const modes: readonly string[] = [...SupportedBootModes, "uefi-preferred"];
  if (!modes.includes(bootMode)) throw badValue(`No boot mode ${bootMode} with ${String(type.InstanceType)}`);
  if (tpm !== undefined && nitroTpm !== "supported") throw unfit(type, "NitroTPM");
  if (!ena && needsEna(type)) throw unfit(type, "images without ENA");
}

function needsEna({ NetworkInfo }: InstanceTypeInfo): boolean {
  return NetworkInfo?.EnaSupport === "required";
}

function unfit({ InstanceType }: InstanceTypeInfo, what: string): AwsFault {
  return badCombination(`The instance type '${String(InstanceType)}' does not support ${what}`);
}

function decoded(userData: string): string {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(userData)) {
    throw new AwsFault("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data");
  }
  const bytes = Buffer.from(userData, "base64");
  if (bytes.length > MOST_USER_DATA_BYTES) throw badValue("User data is limited to 16384 bytes");
  return bytes.toString("utf8");
}

interface Network {
  readonly groupIds: readonly string[];
  readonly subnetId: string;
  readonly publicIp: boolean;
}

function networkOf(input: RunInstancesRequest, context: Context): Network {
  const { groupIds, subnetId, publicIp } = wantedNetwork(input);
  for (const id of groupIds) groupById(context, id);
  const subnets = subnetsOf(context).map(({ SubnetId = "" }) => SubnetId);
  const chosen = subnetId ?? subnets[0] ?? "";
  if (subnets.includes(chosen)) return { groupIds, subnetId: chosen, publicIp };
  throw new AwsFault("InvalidSubnetID.NotFound", `The subnet ID '${chosen}' does not exist`);
}

function wantedNetwork({ NetworkInterfaces = [], SecurityGroupIds, SubnetId }: RunInstancesRequest) {
  const [card, ...more] = NetworkInterfaces;
  if (card === undefined) return { groupIds: SecurityGroupIds ?? [], subnetId: SubnetId, publicIp: true };
  const ofInstance = [SecurityGroupIds, SubnetId].some((each) => each !== undefined);
  if (ofInstance) throw badCombination("Network interfaces, and a subnet or groups of the instance");
  if (more.length > 0) throw badCombination("More than one network interface");
  const { AssociatePublicIpAddress: publicIp = true, Groups: groupIds = [] } = card;
  return { groupIds, subnetId: card.SubnetId, publicIp };
}

function newInstance(input: RunInstancesRequest, image: ImageRecord, context: Context): InstanceRecord {
  const { nowMs, world } = context;
  return {
    ...networkOf(input, context),
    id: newId("i"),
    imageId: image.id,
    type: input.InstanceType ?? "t2.micro",
    keyName: input.KeyName,
    clientToken: input.ClientToken,
    launchedMs: nowMs,
    runningMs: nowMs + world.delays.instanceMs,
    userData: input.UserData,
    tags: tagsFor("instance", input.TagSpecifications, TAGGED),
    volumeTags: tagsFor("volume", input.TagSpecifications, TAGGED),
    visible: newVisibility(context),
    architecture: image.architecture,
    bootMode: image.bootMode,
    httpTokens: input.MetadataOptions?.HttpTokens ?? (image.imds === "v2.0" ? "required" : "optional"),
    address: undefined,
    failure: undefined,
    terminatedMs: undefined,
  };
}

/** Without a hook, the instance runs without a machine: it has an address at which nothing answers. */
function startMachine(request: RunRequest, { world, nowMs }: Context): void {
  const { instance } = request;
  if (world.onRunInstance === undefined) {
    // Of the block for documentation: a client that connects there reaches nobody.
    if (instance.publicIp) instance.address = "192.0.2.1";
    return;
  }
  const machine = world.onRunInstance(request);
  world.machines.set(instance.id, machine);
  machine.then(
    ({ publicIp }) => {
      if (instance.publicIp) instance.address = publicIp;
    },
    (error: unknown) => {
      instance.failure = error instanceof Error ? error.message : String(error);
      instance.terminatedMs = nowMs;
    },
  );
}
