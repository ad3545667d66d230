import type { AwsInput } from "../src/aws/clients.ts";
import { removeInstance } from "../src/aws/ec2-remove.ts";
import { KvciError } from "../src/core/error.ts";
import type { Arch } from "../src/core/platform.ts";
import { assertFits, hasNesting, instanceTypeFor, runRequest, tokenOf, type Ec2Boot } from "./ec2-boot-request.ts";
import { ec2Part, whenSeen, type Ec2Scope } from "./ec2-part.ts";

export interface WantedInstance extends Omit<Ec2Boot, "type" | "nesting" | "keyName"> {
  readonly arch: Arch;
  readonly instanceType: string | undefined;
}

export interface Ec2Instance extends AsyncDisposable {
  /**
   * @returns its id, as soon as there is one.
   * @throws {KvciError} `environment-invalid` for a type that is not there or does not fit; what AWS says.
   */
  make(wanted: WantedInstance): Promise<string>;
}

/** The machine itself. Its end is waited for: what it has cannot go before. */
export function ec2Instance(scope: Ec2Scope): Ec2Instance {
  const { caller, region, name, tags } = scope;
  let made: string | undefined;
  const part = ec2Part("instance", scope, async (signal) => {
    const id = made ?? (await find(scope, signal));
    if (id !== undefined) await removeInstance(id, { ...scope, signal });
  });
  return {
    make: async ({ arch, instanceType, ...boot }) => {
      const type = instanceTypeFor(arch, instanceType);
      const nesting = await canNest(type, arch, scope);
      const input = runRequest(name, tags, { ...boot, type, nesting, keyName: name });
      const { Instances = [] } = await caller.call({ action: "ec2:RunInstances", region, input }, part.begin());
      made = Instances[0]?.InstanceId;
      return made ?? "";
    },
    [Symbol.asyncDispose]: () => part[Symbol.asyncDispose](),
  };
}

/** @returns whether the type can give its guests virtual machines when it is asked to. */
async function canNest(type: string, arch: Arch, { caller, region, signal }: Ec2Scope): Promise<boolean> {
  const input = { InstanceTypes: [type] } as AwsInput<"ec2:DescribeInstanceTypes">;
  const answer = await caller.ask(
    { action: "ec2:DescribeInstanceTypes", region, input },
    { signal, isExpected: ({ code }) => code === "InvalidInstanceType" },
  );
  const [found] = "output" in answer ? (answer.output.InstanceTypes ?? []) : [];
  if (!found) throw noType(type, region);
  assertFits(found, arch);
  return hasNesting(found);
}

async function find(scope: Ec2Scope, signal: AbortSignal): Promise<string | undefined> {
  const { caller, region, name } = scope;
  const input = { Filters: [{ Name: "client-token", Values: [tokenOf(name)] }] };
  const look = async (): Promise<string | undefined> => {
    const { Reservations = [] } = await caller.call({ action: "ec2:DescribeInstances", region, input }, { signal });
    return Reservations.flatMap(({ Instances = [] }) => Instances)[0]?.InstanceId;
  };
  return whenSeen(look, { ...scope, signal });
}

function noType(type: string, region: string): KvciError {
  return new KvciError("environment-invalid", `${region} has no instances of type ${type}`, {
    hint: "Set smokeInstanceType to a type that the region has.",
  });
}
