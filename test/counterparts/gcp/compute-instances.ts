import type { ComputeCall } from "./compute-call.ts";
import { pageOf } from "./compute-images.ts";
import { operate, operationBody, OperationFailure, selfLink } from "./compute-operations.ts";
import { GcpFault, invalid, notFound } from "./gcp-fault.ts";
import { note, textIn, type ImageRecord, type InstanceRecord, type Json, type World } from "./gcp-state.ts";
import { checkedLabels } from "./image-labels.ts";
import { matches } from "./list-filter.ts";

interface NewInstance {
  readonly name?: string;
  readonly machineType?: string;
  readonly disks?: readonly {
    readonly boot?: boolean;
    readonly initializeParams?: { readonly sourceImage?: string };
  }[];
  readonly networkInterfaces?: readonly Json[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly tags?: { readonly items?: readonly string[] };
  readonly scheduling?: { readonly instanceTerminationAction?: string; readonly maxRunDuration?: Json };
  readonly advancedMachineFeatures?: { readonly enableNestedVirtualization?: boolean };
}

const NAME = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

export const instanceCalls: Readonly<Record<string, (call: ComputeCall) => Json | Promise<Json>>> = {
  "instances.get": ({ world, path }) => instanceBody(world, instanceNamed(world, path)),
  "instances.list": ({ world, path, query }) => {
    const all = [...world.state.instances.values()].filter(({ zone }) => zone === path["zone"]);
    const bodies = all
      .map((each) => instanceBody(world, each))
      .filter((body) => matches(query.get("filter") ?? "", body));
    return { kind: "compute#instanceList", id: "instances", ...pageOf(bodies, { world, query }) };
  },
  "instances.insert": (call) => insertInstance(call),
  "instances.delete": ({ world, path, query, fault }) => {
    const instance = instanceNamed(world, path);
    const key = keyOf(instance);
    const target = `zones/${instance.zone}/instances/${instance.name}`;
    const begun = { call: `instances.delete ${key}`, type: "delete", target, zone: instance.zone, body: null, fault };
    const operation = operate(world, { ...begun, requestId: query.get("requestId") }, async () => {
      instance.status = "STOPPING";
      await instance.machine?.stop?.();
      world.state.instances.delete(key);
    });
    return operationBody(world, operation);
  },
  "instances.getSerialPortOutput": ({ world, path, query }) => serialOutput(world, instanceNamed(world, path), query),
};

function keyOf({ zone, name }: Pick<InstanceRecord, "zone" | "name">): string {
  return `${zone}/${name}`;
}

function instanceNamed(
  world: World,
  { zone = "", instance: name = "" }: Readonly<Record<string, string>>,
): InstanceRecord {
  const instance = world.state.instances.get(keyOf({ zone, name }));
  if (instance) return instance;
  throw notFound(`projects/${world.state.project}/zones/${zone}/instances/${name}`);
}

function insertInstance({ world, path, query, body, fault }: ComputeCall): Json {
  const { zone = "" } = path;
  const resource = body as NewInstance & Json;
  const { name = "" } = resource;
  const target = `zones/${zone}/instances/${name}`;
  const begun = {
    call: `instances.insert ${zone}`,
    type: "insert",
    target,
    zone,
    requestId: query.get("requestId"),
    body,
    fault,
  };
  const operation = operate(world, begun, () => {
    assertNew(world, zone, resource);
    const instance: InstanceRecord = {
      id: String(2_000_000_000_000_000 + world.nextNumber()),
      name,
      zone,
      resource,
      image: bootImage(world, resource),
      status: "PROVISIONING",
      machine: undefined,
    };
    world.state.instances.set(keyOf(instance), instance);
    return start(world, instance);
  });
  return operationBody(world, operation);
}

/** Series that say no when they are asked for virtual machines of their own. */
const NO_NESTING = /machineTypes\/(?:e2|n2d|c2d|c3d|t2d|t2a|c4a|m1|m2|m3)-/;

function assertNew(world: World, zone: string, resource: NewInstance): void {
  const { name = "", machineType = "", labels = {} } = resource;
  if (!NAME.test(name)) throw invalid(`Invalid value for field 'resource.name': '${name}'.`);
  if (!machineType.includes(`zones/${zone}/machineTypes/`)) throw invalid(`Invalid machine type '${machineType}'.`);
  if (world.state.instances.has(keyOf({ zone, name }))) {
    throw new GcpFault(409, "alreadyExists", `The resource 'zones/${zone}/instances/${name}' already exists`);
  }
  checkedLabels(labels);
  assertFeatures(resource);
}

function assertFeatures({ machineType, scheduling, advancedMachineFeatures, tags }: NewInstance): void {
  if (scheduling?.instanceTerminationAction !== undefined && scheduling.maxRunDuration === undefined) {
    throw invalid("instanceTerminationAction needs a maxRunDuration or an end time.");
  }
  if (advancedMachineFeatures?.enableNestedVirtualization === true) assertNests(String(machineType));
  assertTags(tags?.items ?? []);
}

function assertNests(machineType: string): void {
  if (!NO_NESTING.test(machineType)) return;
  throw invalid(`Nested virtualization is not supported with machine type ${machineType}.`);
}

function assertTags(items: readonly string[]): void {
  const odd = items.find((tag) => !NAME.test(tag));
  if (odd !== undefined) throw invalid(`Invalid tag '${odd}'.`);
}

async function start(world: World, instance: InstanceRecord): Promise<void> {
  try {
    const machine = (await world.onInsertInstance?.(instance, world)) ?? {};
    // Removed while it was being made.
    if (world.state.instances.get(keyOf(instance)) !== instance) return await machine.stop?.();
    instance.machine = machine;
  } catch (error) {
    world.state.instances.delete(keyOf(instance));
    throw new OperationFailure({ message: String(error) });
  }
  instance.status = "RUNNING";
  note(world, "instance-started", instance.name);
}

/** The image that the boot disk is made from; one that is obsolete starts nothing. */
function bootImage(world: World, { disks = [] }: NewInstance): string {
  const link = disks.find(({ boot }) => boot === true)?.initializeParams?.sourceImage;
  if (link === undefined) throw invalid("At least one boot disk is needed.");
  return startable(world, link).name;
}

function startable(world: World, link: string): ImageRecord {
  const name = /projects\/[^/]+\/global\/images\/([^/]+)$/.exec(link)?.[1] ?? "";
  const image = world.state.images.get(name);
  if (image?.status !== "READY") throw notFound(link);
  const state = textIn(image.deprecated, "state") ?? "ACTIVE";
  if (["OBSOLETE", "DELETED"].includes(state)) throw invalid(`The image '${name}' is obsolete.`);
  return image;
}

/** The last of it: older output makes room for newer. */
function serialOutput(world: World, instance: InstanceRecord, query: URLSearchParams): Json {
  if (instance.status !== "RUNNING") {
    throw new GcpFault(400, "resourceNotReady", `The resource '${instance.name}' is not ready`);
  }
  const all = Buffer.from(instance.machine?.serial?.() ?? "");
  const kept = Math.max(0, all.length - world.limits.serialBytes);
  const start = Math.min(all.length, Math.max(kept, Number(query.get("start") ?? "0")));
  const contents = all.subarray(start).toString("utf8");
  return { kind: "compute#serialPortOutput", contents, start: String(start), next: String(all.length) };
}

function instanceBody(world: World, { id, name, zone, status, resource, machine }: InstanceRecord): Json {
  const given = (resource["networkInterfaces"] as readonly Json[] | undefined) ?? [];
  const networkInterfaces = given.map((each) => {
    const access = each["accessConfigs"] as readonly Json[] | undefined;
    const accessConfigs = access?.map((config) => ({
      ...config,
      ...(machine?.address ? { natIP: machine.address } : {}),
    }));
    return { ...each, networkIP: "10.128.0.2", ...(accessConfigs ? { accessConfigs } : {}) };
  });
  return {
    ...resource,
    kind: "compute#instance",
    id,
    name,
    zone: selfLink(world, `zones/${zone}`),
    selfLink: selfLink(world, `zones/${zone}/instances/${name}`),
    status,
    networkInterfaces,
  };
}
