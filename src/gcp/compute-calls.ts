import { z } from "zod";
import { operationError, type OperationFailure } from "./gcp-errors.ts";
import type { GcpRequest, GcpSend } from "./request.ts";

const operation = z.object({
  name: z.string(),
  status: z.string(),
  targetLink: z.string().optional(),
  /** Of operations that are not global. */
  zone: z.string().optional(),
  endTime: z.string().optional(),
  httpErrorStatusCode: z.number().optional(),
  httpErrorMessage: z.string().optional(),
  error: z.object({ errors: z.array(z.object({ code: z.string(), message: z.string().default("") })) }).optional(),
});

export type ComputeOperation = Readonly<z.output<typeof operation>>;

/** The service answers a wait after two minutes at the latest. */
const WAIT_MS = 150_000;

export type Call = (request: Omit<GcpRequest, "to"> & { readonly path: string }) => ReturnType<GcpSend>;
type Change<T> = (action: string, request: Omit<Parameters<Call>[0], "action">) => Promise<T>;

export interface Calls {
  readonly call: Call;
  readonly change: Change<ComputeOperation>;
  /** Undefined for what is gone. */
  readonly changeIfThere: Change<ComputeOperation | undefined>;
}

export function callsOf(
  send: GcpSend,
  { project, signal }: { readonly project: string; readonly signal: AbortSignal },
): Calls {
  const call: Call = async ({ path, ...rest }) =>
    send({ ...rest, to: { service: "compute", path: `projects/${encodeURIComponent(project)}${path}` } }, signal);
  return {
    call,
    change: async (action, rest) => operation.parse((await call({ action, ...rest })).body),
    changeIfThere: async (action, rest) => {
      const { status, body } = await call({ action, ...rest, accept: [404] });
      return status === 404 ? undefined : operation.parse(body);
    },
  };
}

/**
 * A call that answers when an operation is done, or after two minutes; undefined while the operation is not visible. In the zone,
 * where the operation is of one.
 */
export function waitOnceOf({ changeIfThere }: Calls) {
  return ({ name, zone }: Pick<ComputeOperation, "name" | "zone">): Promise<ComputeOperation | undefined> => {
    const where = zone === undefined ? "global" : `zones/${encodeURIComponent(zone.split("/").at(-1) ?? "")}`;
    return changeIfThere(`compute.${zone === undefined ? "globalOperations" : "zoneOperations"}.get`, {
      method: "POST",
      path: `/${where}/operations/${encodeURIComponent(name)}/wait`,
      timeoutMs: WAIT_MS,
    });
  };
}

/** @throws {KvciError} what an operation that is done failed with. */
export function assertSucceeded(done: ComputeOperation, action: string): void {
  const failure = failureOf(done);
  if (failure) throw operationError(failure, action);
}

function failureOf({
  error,
  httpErrorStatusCode: status = 0,
  httpErrorMessage,
}: ComputeOperation): OperationFailure | undefined {
  const first = error?.errors[0];
  if (first) return { code: first.code, message: first.message || first.code, status };
  const message = httpErrorMessage ?? `HTTP ${status}`;
  return status < 400 ? undefined : { code: message, message, status };
}
