/** RegisterImage: an AMI from a snapshot, with all that was said about it. */
import type { BlockDeviceMapping, RegisterImageRequest, RegisterImageResult } from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import { newId, notShared, phaseOf, type ImageRecord, type SnapshotRecord } from "./aws-state.ts";
import { badCombination, badValue, tagsFor } from "./ec2-answers.ts";
import { snapshotById } from "./ec2-snapshots.ts";
import { newVisibility, record, type Actions, type Context } from "./world.ts";

export const registerActions: Actions = { RegisterImage: register };

const NAME = /^[A-Za-z0-9()[\] ./\-'@_]{3,128}$/;
const LOWEST_GP3 = { Iops: 3000, Throughput: 125 };

export function checkImageName(name: string | undefined): string {
  if (NAME.test(name ?? "")) return name ?? "";
  throw new AwsFault(
    "InvalidAMIName.Malformed",
    `AMI names must be 3 to 128 of A-Z a-z 0-9 ()[] ./-'@_: '${name ?? ""}'`,
  );
}

function register(input: RegisterImageRequest, context: Context): RegisterImageResult {
  const { region, account, nowMs, world } = context;
  const name = checkImageName(input.Name);
  const taken = [...region.images.values()].find((each) => each.ownerId === account && each.name === name);
  if (taken !== undefined) {
    throw new AwsFault("InvalidAMIName.Duplicate", `AMI name ${name} is already in use by AMI ${taken.id}`);
  }
  checkBoot(input);
  const mappings = (input.BlockDeviceMappings ?? []).map((each) => mappingOf(each, context));
  const rootDeviceName = input.RootDeviceName ?? "";
  const root = mappings.find(({ DeviceName }) => DeviceName === rootDeviceName);
  if (root?.Ebs?.SnapshotId === undefined) {
    throw new AwsFault("InvalidBlockDeviceMapping", `No snapshot for the root device '${rootDeviceName}'`);
  }
  const image: ImageRecord = {
    ...attributesOf(input),
    id: newId("ami"),
    name,
    ownerId: account,
    createdMs: nowMs,
    availableMs: nowMs + world.delays.registerMs,
    rootDeviceName,
    mappings,
    tags: tagsFor("image", input.TagSpecifications),
    visible: newVisibility(context),
    source: undefined,
  };
  region.images.set(image.id, image);
  record(context, { kind: "image-registered", id: image.id, detail: name });
  return { ImageId: image.id };
}

/** What is not said is what EC2 takes for it, which is hardly ever what is meant: i386, paravirtual, no ENA. */
function attributesOf(input: RegisterImageRequest) {
  return {
    architecture: input.Architecture ?? "i386",
    virtualizationType: input.VirtualizationType ?? "paravirtual",
    bootMode: input.BootMode,
    ena: input.EnaSupport ?? false,
    sriov: input.SriovNetSupport,
    tpm: input.TpmSupport,
    uefiData: input.UefiData,
    imds: input.ImdsSupport,
    description: input.Description,
    sharing: notShared(),
    deprecateMs: undefined,
    disabled: false,
    protection: "disabled" as const,
    lastLaunchedMs: undefined,
  };
}

function checkBoot(input: RegisterImageRequest): void {
  const { Architecture, BootMode, TpmSupport } = input;
  if (TpmSupport !== undefined && BootMode !== "uefi") {
    throw badCombination("TpmSupport v2.0 needs the boot mode uefi");
  }
  if (Architecture === "arm64" && (BootMode ?? "uefi") !== "uefi") {
    throw badCombination(`The architecture arm64 does not support the boot mode ${String(BootMode)}`);
  }
  checkSort(input);
}

function checkSort({ BootMode, EnaSupport, ImageLocation, VirtualizationType }: RegisterImageRequest): void {
  const modern = BootMode !== undefined || EnaSupport === true;
  if (modern && VirtualizationType !== "hvm") throw badCombination("Boot modes and ENA need VirtualizationType hvm");
  if (ImageLocation !== undefined) throw badCombination("ImageLocation is for images in a bucket");
}

type Ebs = NonNullable<BlockDeviceMapping["Ebs"]>;

function mappingOf(mapping: BlockDeviceMapping, context: Context): BlockDeviceMapping {
  const { Ebs: ebs } = mapping;
  if (ebs === undefined) return mapping;
  const snapshot = ebs.SnapshotId === undefined ? undefined : registrable(context, ebs.SnapshotId);
  if (ebs.Encrypted !== undefined && snapshot !== undefined) {
    throw badCombination("Encrypted cannot be given where an image is registered from a snapshot");
  }
  const { VolumeType = "standard", DeleteOnTermination = true } = ebs;
  const made = { VolumeType, DeleteOnTermination, VolumeSize: sizeOf(ebs, snapshot) };
  return { ...mapping, Ebs: { ...ebs, ...performance(ebs), ...made, Encrypted: snapshot?.kmsKeyArn !== undefined } };
}

function sizeOf({ VolumeSize }: Ebs, snapshot: SnapshotRecord | undefined): number {
  const size = VolumeSize ?? snapshot?.volumeGiB;
  if (size === undefined) throw new AwsFault("MissingParameter", "A volume has neither a snapshot nor a size");
  if (size >= (snapshot?.volumeGiB ?? 0)) return size;
  throw new AwsFault("InvalidBlockDeviceMapping", `Volume of size ${size}GB is smaller than the snapshot`);
}

function performance({ VolumeType, Iops, Throughput }: Ebs): Ebs {
  if (VolumeType === "gp3") return gp3(Iops, Throughput);
  if (Throughput !== undefined) throw badCombination("Throughput is for gp3 only");
  const takesIops = VolumeType === "io1" || VolumeType === "io2";
  if (Iops !== undefined && !takesIops) throw badCombination(`Iops is not for ${VolumeType ?? "standard"}`);
  return {};
}

function gp3(Iops = LOWEST_GP3.Iops, Throughput = LOWEST_GP3.Throughput): Ebs {
  if (Iops >= LOWEST_GP3.Iops && Throughput >= LOWEST_GP3.Throughput) return { Iops, Throughput };
  throw badValue(`gp3 has at least ${LOWEST_GP3.Iops} Iops and ${LOWEST_GP3.Throughput} MiB/s`);
}

function registrable(context: Context, id: string): SnapshotRecord {
  const snapshot = snapshotById(context, id);
  const phase = phaseOf(snapshot, context.nowMs);
  if (phase === "completed") return snapshot;
  throw new AwsFault("IncorrectState", `The snapshot '${id}' is ${phase}, not completed`);
}
