import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../core/error.ts";
import type { AwsCaller } from "./aws-caller.ts";
import type { Leftover } from "./ec2-leftovers.ts";

export interface Removal {
  readonly region: string;
  readonly caller: AwsCaller;
  readonly signal: AbortSignal;
  /** Milliseconds between two looks. Tests shorten them. */
  readonly pollMs?: number;
}

const POLL_MS = 5_000;
/** A machine that does not go down is switched off by EC2 after some minutes. */
const TERMINATE_MS = 10 * 60_000;
/** A network interface lets its group go some seconds after its instance is gone. */
const RELEASE_MS = 2 * 60_000;

/**
 * Ends an instance and waits for its end: its security group cannot be deleted before. One that is gone is no failure.
 *
 * @throws {KvciError} `publish-failed` when it is not gone in ten minutes; `interrupted`; what AWS says.
 */
export async function removeInstance(id: string, { region, caller, signal, pollMs }: Removal): Promise<void> {
  const input = { InstanceIds: [id] };
  if (!(await caller.find({ action: "ec2:TerminateInstances", region, input }, { signal }))) return;
  const isGone = async (): Promise<boolean> => {
    const found = await caller.find({ action: "ec2:DescribeInstances", region, input }, { signal });
    const instances = found?.Reservations?.flatMap(({ Instances = [] }) => Instances) ?? [];
    return instances.every(({ State }) => State?.Name === "terminated");
  };
  if (await until(isGone, { limitMs: TERMINATE_MS, signal, pollMs })) return;
  throw stays(`${id} in ${region} is still not terminated after ${String(TERMINATE_MS / 60_000)} min`);
}

/** @param id of the key pair. One that is gone is no failure. */
export async function removeKeyPair(id: string, { region, caller, signal }: Removal): Promise<void> {
  await caller.find({ action: "ec2:DeleteKeyPair", region, input: { KeyPairId: id } }, { signal });
}

/**
 * Deletes a security group, as soon as no instance has it. One that is gone is no failure.
 *
 * @throws {KvciError} `publish-failed` when something has it for two minutes; `interrupted`; what AWS says.
 */
export async function removeSecurityGroup(id: string, { region, caller, signal, pollMs }: Removal): Promise<void> {
  const isGone = async (): Promise<boolean> => {
    const answer = await caller.ask(
      { action: "ec2:DeleteSecurityGroup", region, input: { GroupId: id } },
      { signal, isExpected: ({ code }) => code === "DependencyViolation" || code === "InvalidGroup.NotFound" },
    );
    return "output" in answer || answer.failure.code === "InvalidGroup.NotFound";
  };
  if (await until(isGone, { limitMs: RELEASE_MS, signal, pollMs })) return;
  throw stays(`the security group ${id} in ${region} is still in use`);
}

/** Removes one thing of a list, in the list's order: instances come before what they hold. */
export async function removeLeftover({ id }: Pick<Leftover, "id">, removal: Removal): Promise<void> {
  if (id.startsWith("i-")) await removeInstance(id, removal);
  else if (id.startsWith("key-")) await removeKeyPair(id, removal);
  else await removeSecurityGroup(id, removal);
}

async function until(
  isSo: () => Promise<boolean>,
  wait: { readonly limitMs: number; readonly signal: AbortSignal; readonly pollMs: number | undefined },
): Promise<boolean> {
  const end = performance.now() + wait.limitMs;
  for (;;) {
    if (await isSo()) return true;
    if (performance.now() > end) return false;
    await sleep(wait.pollMs ?? POLL_MS, undefined, { signal: wait.signal }).catch(() => undefined);
    if (wait.signal.aborted) throw stopped();
  }
}

function stays(message: string): KvciError {
  return new KvciError("publish-failed", message, {
    hint: "Look at it in the console. `kvci-build publish gc` removes what boot tests left once its time is over.",
  });
}

function stopped(): KvciError {
  return new KvciError("interrupted", "stopped while a machine on EC2 was removed", {
    hint: "What is left is found by its tags: `kvci-build publish gc`, or the next boot test in the region.",
  });
}
