import { z } from "zod";
import { callsOf, waitOnceOf, type Call, type Calls } from "./compute-calls.ts";
import { GoogleError } from "./gcp-errors.ts";
import type { GcpSend } from "./request.ts";

/** An instance, as far as we look at it. */
const instance = z.object({
  name: z.string(),
  status: z.string(),
  statusMessage: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  networkInterfaces: z
    .array(z.object({ accessConfigs: z.array(z.object({ natIP: z.string().optional() })).default([]) }))
    .default([]),
});
const firewall = z.object({ name: z.string(), description: z.string().default("") });
const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item).default([]), nextPageToken: z.string().optional() });
const instanceList = pageOf(instance);
const firewallList = pageOf(firewall);

/** 64-bit numbers come as text. */
const serialOutput = z.object({ contents: z.string().default(""), next: z.string() });

export type Instance = Readonly<z.output<typeof instance>>;
export type Firewall = Readonly<z.output<typeof firewall>>;

/** What a machine for a test is made of; whatever is not named is as the service has it. */
export interface NewInstance {
  readonly name: string;
  readonly machineType: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly tags: { readonly items: readonly string[] };
  readonly metadata: { readonly items: readonly { readonly key: string; readonly value: string }[] };
  readonly disks: readonly {
    readonly boot: boolean;
    readonly autoDelete: boolean;
    readonly initializeParams: {
      readonly sourceImage: string;
      readonly labels: Readonly<Record<string, string>>;
    };
  }[];
  readonly networkInterfaces: readonly {
    readonly network: string;
    readonly accessConfigs: readonly { readonly type: "ONE_TO_ONE_NAT"; readonly name: string }[];
  }[];
  readonly scheduling: {
    readonly automaticRestart: boolean;
    /** Seconds, as text. */
    readonly maxRunDuration: { readonly seconds: string };
    readonly instanceTerminationAction: "DELETE";
  };
  readonly advancedMachineFeatures?: { readonly enableNestedVirtualization: boolean };
}

export interface NewFirewall {
  readonly name: string;
  readonly description: string;
  readonly network: string;
  readonly direction: "INGRESS";
  readonly allowed: readonly { readonly IPProtocol: "tcp"; readonly ports: readonly string[] }[];
  readonly sourceRanges: readonly string[];
  readonly targetTags: readonly string[];
}

/** Instances of one zone, and the project's firewall rules. A `requestId` (a UUID) makes a repeated call the same call. */
export type Instances = ReturnType<typeof instancesOf>;

const PAGE = "500";

export function instancesOf(
  send: GcpSend,
  { zone, ...place }: { readonly project: string; readonly zone: string; readonly signal: AbortSignal },
) {
  const calls = callsOf(send, place);
  return { waitOnce: waitOnceOf(calls), ...instanceCalls(calls, zone), ...firewallCalls(calls) };
}

function instanceCalls({ call, change, changeIfThere }: Calls, zone: string) {
  const all = `/zones/${encodeURIComponent(zone)}/instances`;
  const one = (name: string, more = ""): string => `${all}/${encodeURIComponent(name)}${more}`;
  return {
    instance: async (name: string): Promise<Instance | undefined> => {
      const request = { action: "compute.instances.get", method: "GET", path: one(name), accept: [404] } as const;
      const { status, body } = await call(request);
      return status === 404 ? undefined : instance.parse(body);
    },
    /** Every page. */
    instances: (filter: string): Promise<readonly Instance[]> =>
      everyPage(call, { action: "compute.instances.list", path: all, filter }, (body) => instanceList.parse(body)),
    insertInstance: (body: NewInstance, requestId: string) =>
      change("compute.instances.create", { method: "POST", path: all, query: { requestId }, body }),
    /** Undefined when it is gone already. */
    deleteInstance: (name: string, requestId: string) =>
      changeIfThere("compute.instances.delete", { method: "DELETE", path: one(name), query: { requestId } }),
    /**
     * What the instance wrote to its first serial port since byte `start`; the service keeps the last MiB.
     *
     * @returns undefined for an instance that is gone or not up yet.
     */
    serialOutput: async (name: string, start: number): Promise<SerialOutput | undefined> => {
      const request = { action: "compute.instances.getSerialPortOutput", method: "GET", accept: [404] } as const;
      try {
        const query = { port: "1", start: String(start) };
        const { status, body } = await call({ ...request, path: one(name, "/serialPort"), query });
        if (status === 404) return undefined;
        const { contents, next } = serialOutput.parse(body);
        return { contents, next: Number(next) };
      } catch (error) {
        if (isNotReady(error)) return undefined;
        throw error;
      }
    },
  };
}

export interface SerialOutput {
  readonly contents: string;
  /** Where to go on. */
  readonly next: number;
}

/** An instance that is being made, or ends, has no console that can be read. */
function isNotReady(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof GoogleError && cause.status === 400 && /not ?ready/i.test(`${cause.reason} ${cause.message}`);
}

function firewallCalls({ call, change, changeIfThere }: Calls) {
  const all = "/global/firewalls";
  return {
    /** Every page of all: rules have no labels to look for. */
    firewalls: (): Promise<readonly Firewall[]> =>
      everyPage(call, { action: "compute.firewalls.list", path: all }, (body) => firewallList.parse(body)),
    insertFirewall: (body: NewFirewall, requestId: string) =>
      change("compute.firewalls.create", { method: "POST", path: all, query: { requestId }, body }),
    /** Undefined when it is gone already. */
    deleteFirewall: (name: string, requestId: string) => {
      const path = `${all}/${encodeURIComponent(name)}`;
      return changeIfThere("compute.firewalls.delete", { method: "DELETE", path, query: { requestId } });
    },
  };
}

async function everyPage<T>(
  call: Call,
  { action, path, filter }: { readonly action: string; readonly path: string; readonly filter?: string },
  read: (body: unknown) => { readonly items: readonly T[]; readonly nextPageToken?: string | undefined },
): Promise<readonly T[]> {
  const all: T[] = [];
  let pageToken: string | undefined;
  do {
    const { body } = await call({ action, method: "GET", path, query: { filter, maxResults: PAGE, pageToken } });
    const page = read(body);
    all.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined && pageToken !== "");
  return all;
}
