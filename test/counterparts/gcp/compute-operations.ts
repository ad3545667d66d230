import { GcpFault, notFound, type FaultRule } from "./gcp-fault.ts";
import type { Json, OperationRecord, World } from "./gcp-state.ts";

export function selfLink(world: World, path: string): string {
  return `https://www.googleapis.com/compute/v1/projects/${world.state.project}/${path}`;
}

export interface Begun {
  /** `images.insert`, with its target: what a request id stands for. */
  readonly call: string;
  readonly type: string;
  /** Below the project: `global/images/i`. */
  readonly target: string;
  readonly zone?: string;
  readonly requestId: string | null;
  readonly body: unknown;
  /** Fails the operation instead of doing the work. */
  readonly fault: FaultRule | undefined;
}

/**
 * Begins an operation, or gives the one that the request id stands for already. A request id that comes with another request is
 * refused.
 *
 * @param begin checks and changes the state at once; what it returns goes on behind the answer, and its failure is the operation's.
 */
export function operate(world: World, begun: Begun, begin: () => Promise<void>): OperationRecord {
  const { requestId } = begun;
  const known = requestId === null ? undefined : knownBy(requestId, world, begun);
  if (known) return known;
  const operation = started(world, begun, begin);
  if (requestId !== null) {
    world.state.requestIds.set(requestId, { call: begun.call, body: textOf(begun), operation: operation.name });
  }
  return operation;
}

function textOf({ body }: Begun): string {
  return JSON.stringify(body ?? null);
}

function knownBy(requestId: string, world: World, begun: Begun): OperationRecord | undefined {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(requestId)) {
    throw new GcpFault(400, "invalid", `Invalid value for field 'requestId': '${requestId}'. Must be a UUID.`);
  }
  const known = world.state.requestIds.get(requestId);
  if (!known) return undefined;
  if (known.call !== begun.call || known.body !== textOf(begun)) {
    throw new GcpFault(409, "conflict", `The request id '${requestId}' was used for another request.`);
  }
  return world.state.operations.get(known.operation);
}

function started(world: World, { type, target, zone, fault }: Begun, begin: () => Promise<void>): OperationRecord {
  const name = `operation-${world.nextNumber()}-${Date.now().toString(16)}`;
  const work = fault === undefined ? begin() : Promise.reject(new OperationFailure(fault));
  const record: OperationRecord = {
    name,
    type,
    targetLink: selfLink(world, target),
    zone,
    startedMs: Date.now(),
    endedMs: undefined,
    error: undefined,
    work: work.then(
      () => void (record.endedMs = Date.now()),
      (error: unknown) => {
        record.endedMs = Date.now();
        record.error = errorOf(error);
      },
    ),
  };
  world.state.operations.set(name, record);
  return record;
}

export class OperationFailure extends Error {
  readonly code: string;
  readonly status: number;

  constructor({ reason = "INTERNAL_ERROR", message = "Internal error.", status = 500 }: Partial<FaultRule>) {
    super(message);
    this.code = reason;
    this.status = status;
  }
}

function errorOf(error: unknown): OperationRecord["error"] {
  if (error instanceof OperationFailure) return { code: error.code, message: error.message, status: error.status };
  return { code: "INTERNAL_ERROR", message: String(error), status: 500 };
}

export function operationBody(world: World, record: OperationRecord): Json {
  const { name, type, targetLink, zone, startedMs, endedMs, error } = record;
  const place = zone === undefined ? "global" : `zones/${zone}`;
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    kind: "compute#operation",
    id: String(BigInt(name.length) + BigInt(startedMs)),
    name,
    operationType: type,
    targetLink,
    status: endedMs === undefined ? "RUNNING" : "DONE",
    progress: endedMs === undefined ? 0 : 100,
    insertTime: time(startedMs),
    startTime: time(startedMs),
    selfLink: selfLink(world, `${place}/operations/${name}`),
    ...(zone === undefined ? {} : { zone: selfLink(world, `zones/${zone}`) }),
    ...(endedMs === undefined ? {} : { endTime: time(endedMs) }),
    ...(error === undefined
      ? {}
      : {
          error: { errors: [{ code: error.code, message: error.message }] },
          httpErrorStatusCode: error.status,
          httpErrorMessage: error.code,
        }),
  };
}

export function operationNamed(world: World, name: string): OperationRecord {
  const record = world.state.operations.get(name);
  if (record) return record;
  throw notFound(`projects/${world.state.project}/global/operations/${name}`);
}

/** Waits until it is done, or for as long as a wait lasts. */
export async function waited(world: World, name: string): Promise<OperationRecord> {
  const record = operationNamed(world, name);
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, world.delays.waitMs);
  });
  await Promise.race([record.work, limit]);
  clearTimeout(timer);
  return record;
}
