import { setTimeout as sleep } from "node:timers/promises";
import type { AwsOutput } from "../src/aws/clients.ts";
import { KvciError } from "../src/core/error.ts";
import type { Ec2Scope } from "./ec2-part.ts";

/** What was made a moment ago need not be known everywhere yet. */
const VISIBLE_MS = 60_000;
const ENDED = new Set(["shutting-down", "terminated", "stopping", "stopped"]);

type Instance = NonNullable<
  NonNullable<AwsOutput<"ec2:DescribeInstances">["Reservations"]>[number]["Instances"]
>[number];
type Looking = Pick<Ec2Scope, "caller" | "region" | "signal">;

/** Waits until EC2 calls the instance running. @param end as `performance.now()` tells it. @returns its public address. */
export async function waitForAddress(id: string, scope: Ec2Scope, end: number): Promise<string> {
  for (;;) {
    const instance = await look(id, scope);
    const state = stateOf(instance);
    if (ENDED.has(state)) throw notStarted(id, reasonOf(instance));
    if (state === "running" && instance.PublicIpAddress !== undefined) return instance.PublicIpAddress;
    if (performance.now() > end) throw state === "running" ? noAddress(id) : notStarted(id, `it is still ${state}`);
    await sleep(scope.pollMs, undefined, { signal: scope.signal }).catch(() => undefined);
    if (scope.signal.aborted) throw stopped();
  }
}

/** @returns why the instance runs no more; nothing while it does. */
export async function endOf(id: string, scope: Looking): Promise<string | undefined> {
  const instance = await look(id, scope);
  return ENDED.has(stateOf(instance)) ? reasonOf(instance) : undefined;
}

async function look(id: string, { caller, region, signal }: Looking): Promise<Instance> {
  const input = { InstanceIds: [id] };
  const found = await caller.call(
    { action: "ec2:DescribeInstances", region, input },
    { signal, absentForMs: VISIBLE_MS },
  );
  return found.Reservations?.flatMap(({ Instances = [] }) => Instances)[0] ?? {};
}

function stateOf({ State: state }: Instance): string {
  return state?.Name ?? "unknown";
}

function reasonOf(instance: Instance): string {
  return `it is ${stateOf(instance)}: ${instance.StateReason?.Message ?? "EC2 says not why"}`;
}

/** The guest's own code has not run: whatever it is, the disk is not to blame. */
function notStarted(id: string, why: string): KvciError {
  return new KvciError("publish-failed", `${id} did not start: ${why}`, {
    hint: "Run the same command again, or with another smokeInstanceType.",
  });
}

function noAddress(id: string): KvciError {
  return new KvciError("publish-blocked", `${id} got no public address`, {
    hint: "The default subnets of the region give none: switch on auto-assign public IPv4 for one of them.",
  });
}

function stopped(): KvciError {
  return new KvciError("interrupted", "stopped while the instance started", { hint: "Run the same command again." });
}
