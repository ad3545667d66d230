import { KvciError } from "../src/core/error.ts";
import type { Arch } from "../src/core/platform.ts";
import { linkPath } from "../src/gcp/compute.ts";
import type { NewFirewall, NewInstance } from "../src/gcp/instances.ts";
import type { Owner } from "./gce-owner.ts";
import type { SshIngress } from "./ssh-login.ts";

/** Seconds that an instance lives at most: several times what the longest suite takes. Google ends it then, whoever is gone. */
const LIFE_SECONDS = 3 * 3_600;
/** Milliseconds after which nothing of a clone can be in use: its life, and the time until its clock begins to run. */
export const GCE_CLONE_LIFE_MS = (LIFE_SECONDS + 1_800) * 1000;

const NETWORK = "global/networks/default";
/** Four processors and 16 GiB; of Intel's, because nothing else nests on x86. */
const DEFAULT_TYPES: Partial<Record<Arch, string>> = { amd64: "n2-standard-4", arm64: "t2a-standard-4" };
/** Series whose machines are of Arm's. */
const ARM = /^(?:t2a|c4a|n4a|a4x)-/;
/**
 * Series in which a machine may run virtual machines of its own. The call fails where it is asked for and not there, so AMD's, E2 and
 * those that are not known are not asked. See https://cloud.google.com/compute/docs/instances/nested-virtualization/overview
 */
const NESTING = /^(?:n1|n2|c2|c3|custom)-/;

export interface GceBoot {
  /** Of instance, rule and tag: of nothing else in the project. */
  readonly name: string;
  readonly zone: string;
  /** Self-link, or the part of it that begins with `projects/`. */
  readonly image: string;
  readonly machineType: string;
  readonly hostname: string;
  /** One line, as in authorized_keys. */
  readonly publicKey: string;
  readonly owner: Owner;
}

/** @throws {KvciError} `environment-invalid` for a disk of an architecture that Google Cloud, or that type, does not have. */
export function machineTypeFor(arch: Arch, chosen: string | undefined): string {
  const type = chosen ?? DEFAULT_TYPES[arch];
  if (type === undefined) throw invalid(`Google Cloud has no ${arch} machines`, "Verify that build on another place.");
  if (ARM.test(type) === (arch === "arm64")) return type;
  throw invalid(
    `${type} is of another architecture than the disk, ${arch}`,
    "Set smokeMachineType to a type of the image's architecture.",
  );
}

/**
 * An instance that has what a cloud's user gives one, a name and a key for root, and no rights in the project: no service account.
 * The key comes by cloud-init, and by Google's own agent where an image has that.
 */
export function instanceRequest(boot: GceBoot): NewInstance {
  const { name, zone, image, machineType, owner } = boot;
  return {
    name,
    machineType: `zones/${zone}/machineTypes/${machineType}`,
    labels: owner,
    tags: { items: [name] },
    metadata: { items: metadataOf(boot) },
    disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: linkPath(image), labels: owner } }],
    networkInterfaces: [{ network: NETWORK, accessConfigs: [{ type: "ONE_TO_ONE_NAT", name: "External NAT" }] }],
    scheduling: {
      // One that crashes is to be seen as what it is.
      automaticRestart: false,
      maxRunDuration: { seconds: String(LIFE_SECONDS) },
      instanceTerminationAction: "DELETE",
    },
    ...(NESTING.test(machineType) ? { advancedMachineFeatures: { enableNestedVirtualization: true } } : {}),
  };
}

function metadataOf({ hostname, publicKey }: GceBoot): NewInstance["metadata"]["items"] {
  // As `cloneSeed` of the qemu place: nothing may hide what came with the disk.
  const userData = {
    hostname,
    preserve_hostname: false,
    disable_root: false,
    users: [],
    ssh_authorized_keys: [publicKey],
    ssh_deletekeys: false,
  };
  return [
    // JSON is YAML, so nothing needs quoting rules of its own.
    { key: "user-data", value: `#cloud-config\n${JSON.stringify(userData)}\n` },
    { key: "ssh-keys", value: `root:${publicKey}` },
    { key: "block-project-ssh-keys", value: "TRUE" },
    // Where a project has it on for all, keys in metadata would count for nothing.
    { key: "enable-oslogin", value: "FALSE" },
  ];
}

/**
 * Lets SSH in to this one instance. A project's own rule for that (`default-allow-ssh`) may have been removed, as good practice has
 * it. Rules have no labels, so the owner is in the description.
 */
export function firewallRequest({ name, owner }: GceBoot, { from, port }: SshIngress): NewFirewall {
  return {
    name,
    description: JSON.stringify(owner),
    network: NETWORK,
    direction: "INGRESS",
    allowed: [{ IPProtocol: "tcp", ports: [String(port)] }],
    sourceRanges: [...from],
    targetTags: [name],
  };
}

function invalid(message: string, hint: string): KvciError {
  return new KvciError("environment-invalid", message, { hint });
}
