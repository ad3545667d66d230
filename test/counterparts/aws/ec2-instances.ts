/** Instances: run, looked at, terminated. A hook may put a real machine behind each. */
import type {
  DescribeInstancesRequest,
  DescribeInstancesResult,
  GetConsoleOutputRequest,
  GetConsoleOutputResult,
  Instance,
  InstanceState,
  Reservation,
  RunInstancesRequest,
  TerminateInstancesRequest,
  TerminateInstancesResult,
} from "@aws-sdk/client-ec2";
import { AwsFault } from "./aws-fault.ts";
import { isVisible, type InstanceRecord } from "./aws-state.ts";
import { filtered, paged, tagsOf, type FilterTable } from "./ec2-answers.ts";
import { runInstances } from "./ec2-run.ts";
import { record, type Actions, type Context } from "./world.ts";

export const instanceActions: Actions = {
  RunInstances: (input: RunInstancesRequest, context) => reservationOf(runInstances(input, context), context),
  DescribeInstances: describe,
  TerminateInstances: terminate,
  GetConsoleOutput: consoleOutput,
};

const STATES = { pending: 0, running: 16, "shutting-down": 32, terminated: 48 } as const;

function stateOf(instance: InstanceRecord, { world, nowMs }: Context): InstanceState {
  const Name = stateName(instance, nowMs, world.delays.instanceMs);
  return { Code: STATES[Name], Name };
}

function stateName(instance: InstanceRecord, nowMs: number, delayMs: number): keyof typeof STATES {
  const { terminatedMs, runningMs, publicIp, address } = instance;
  if (terminatedMs !== undefined) return nowMs < terminatedMs + delayMs ? "shutting-down" : "terminated";
  return nowMs >= runningMs && (address !== undefined || !publicIp) ? "running" : "pending";
}

function reservationOf(instances: readonly InstanceRecord[], context: Context): Reservation {
  return {
    ReservationId: `r-${instances[0]?.id.slice("i-".length) ?? ""}`,
    OwnerId: context.account,
    Instances: instances.map((each) => instanceOf(each, context)),
  };
}

function instanceOf(instance: InstanceRecord, context: Context): Instance {
  const { region } = context;
  const state = stateOf(instance, context);
  const running = state.Name === "running";
  return {
    InstanceId: instance.id,
    ImageId: instance.imageId,
    InstanceType: instance.type,
    State: state,
    LaunchTime: new Date(instance.launchedMs),
    Architecture: instance.architecture,
    RootDeviceType: "ebs",
    VirtualizationType: "hvm",
    SubnetId: instance.subnetId,
    VpcId: region.vpcId,
    SecurityGroups: instance.groupIds.map((GroupId) => ({
      GroupId,
      GroupName: region.securityGroups.get(GroupId)?.name,
    })),
    MetadataOptions: { State: "applied", HttpTokens: instance.httpTokens, HttpEndpoint: "enabled" },
    ...(instance.bootMode === undefined ? {} : { BootMode: instance.bootMode }),
    ...(instance.keyName === undefined ? {} : { KeyName: instance.keyName }),
    ...(instance.clientToken === undefined ? {} : { ClientToken: instance.clientToken }),
    ...(running && instance.address !== undefined ? { PublicIpAddress: instance.address } : {}),
    ...(instance.failure === undefined
      ? {}
      : { StateReason: { Code: "Server.InternalError", Message: instance.failure } }),
    ...tagsOf(instance.tags),
  } as Instance;
}

const FILTERS: FilterTable<Instance> = {
  by: {
    "client-token": ({ ClientToken }) => [ClientToken],
    "image-id": ({ ImageId }) => [ImageId],
    "instance-id": ({ InstanceId }) => [InstanceId],
    "instance-state-name": ({ State }) => [State?.Name],
    "instance-type": ({ InstanceType }) => [InstanceType],
    "key-name": ({ KeyName }) => [KeyName],
    "instance.group-id": ({ SecurityGroups = [] }) => SecurityGroups.map(({ GroupId }) => GroupId),
  },
  tags: ({ Tags = [] }) => new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value])),
};

function describe(input: DescribeInstancesRequest, context: Context): DescribeInstancesResult {
  const { region, nowMs } = context;
  const seen = [...region.instances.values()].filter(
    ({ id, visible }) => (input.InstanceIds?.includes(id) ?? true) && isVisible(visible, nowMs),
  );
  const known = new Set(seen.map(({ id }) => id));
  for (const id of input.InstanceIds ?? []) if (!known.has(id)) throw noInstance(id);
  const found = filtered(
    seen.map((each) => instanceOf(each, context)),
    input.Filters,
    FILTERS,
  );
  const { page, next } = paged(found, { ...input, ids: input.InstanceIds }, context);
  const reservations = page.map((each) => ({
    ReservationId: `r-${(each.InstanceId ?? "").slice("i-".length)}`,
    OwnerId: context.account,
    Instances: [each],
  }));
  return { Reservations: reservations, ...next };
}

function noInstance(id: string | undefined): AwsFault {
  return new AwsFault("InvalidInstanceID.NotFound", `The instance ID '${id ?? ""}' does not exist`);
}

function instanceById({ region }: Context, id: string | undefined): InstanceRecord {
  const found = region.instances.get(id ?? "");
  if (found === undefined) throw noInstance(id);
  return found;
}

/** Terminating what is terminated is no error. */
function terminate(input: TerminateInstancesRequest, context: Context): TerminateInstancesResult {
  const instances = (input.InstanceIds ?? []).map((id) => instanceById(context, id));
  const changes = instances.map((each) => {
    const PreviousState = stateOf(each, context);
    if (each.terminatedMs === undefined) {
      each.terminatedMs = context.nowMs;
      record(context, { kind: "instance-terminated", id: each.id });
    }
    return { InstanceId: each.id, PreviousState, CurrentState: stateOf(each, context) };
  });
  for (const { id } of instances) stopMachine(context, id);
  return { TerminatingInstances: changes };
}

/** Goes on behind the answer; the server waits for it when it is closed. */
function stopMachine({ world }: Context, id: string): void {
  const machine = world.machines.get(id);
  if (machine === undefined) return;
  world.machines.delete(id);
  const stopped = machine.then(async (running) => running.stop?.());
  world.stopping.push(stopped);
  // Looked at when the server is closed.
  stopped.catch(() => {});
}

async function consoleOutput(input: GetConsoleOutputRequest, context: Context): Promise<GetConsoleOutputResult> {
  const { id } = instanceById(context, input.InstanceId);
  const machine = await context.world.machines.get(id)?.catch(() => undefined);
  const output = await machine?.consoleOutput();
  return {
    InstanceId: id,
    Timestamp: new Date(context.nowMs),
    ...(output === undefined ? {} : { Output: Buffer.from(output).toString("base64") }),
  };
}
