import { appendFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../src/core/error.ts";
import { instancesOf, type Instance } from "../src/gcp/instances.ts";
import { consoleTail } from "../src/qemu/console-alarm.ts";
import type { GceScope } from "./gce-part.ts";

/** A console that is copied into a file until it is disposed of. */
export interface ConsoleFeed extends AsyncDisposable {
  /** Rejects when the instance runs no more, or cannot be looked at. */
  readonly died: Promise<never>;
}

/** Milliseconds for the last look at the console. */
const LAST_LOOK_MS = 15_000;
/** What an instance is in until its guest runs. */
const COMING = ["PENDING", "PROVISIONING", "STAGING"];

/** Appends what the instance says on its first serial port to a file; the last of it on disposal. */
export function followConsole(scope: GceScope, serialLog: string): ConsoleFeed {
  const done = new AbortController();
  const signal = AbortSignal.any([scope.signal, done.signal]);
  const died = Promise.withResolvers<never>();
  died.promise.catch(() => undefined);
  const copy = consoleCopier(scope, serialLog);
  const work = follow({ ...scope, signal }, serialLog, copy).catch((error: unknown) => {
    if (!signal.aborted) died.reject(error);
  });
  return {
    died: died.promise,
    [Symbol.asyncDispose]: async () => {
      done.abort();
      await work;
      // Only a record: nothing hangs on it any more.
      await copy(AbortSignal.timeout(LAST_LOOK_MS)).catch(() => undefined);
    },
  };
}

function consoleCopier(scope: GceScope, serialLog: string): (signal: AbortSignal) => Promise<void> {
  let next = 0;
  return async (signal) => {
    const output = await instancesOf(scope.send, { ...scope, signal }).serialOutput(scope.name, next);
    if (!output) return;
    await appendFile(serialLog, output.contents);
    next = output.next;
  };
}

async function follow(
  scope: GceScope,
  serialLog: string,
  copy: (signal: AbortSignal) => Promise<void>,
): Promise<never> {
  const instances = instancesOf(scope.send, scope);
  for (;;) {
    await copy(scope.signal);
    const instance = await instances.instance(scope.name);
    if (instance?.status !== "RUNNING") throw await gone(scope.name, instance, serialLog);
    await sleep(scope.pollMs, undefined, { signal: scope.signal });
  }
}

/**
 * Waits until an instance runs and has an address.
 *
 * @param endMs of `performance.now()`.
 * @throws {KvciError} `guest-died` when it ends before, `guest-not-ready` at the deadline; `interrupted`.
 */
export async function waitForAddress(scope: GceScope, endMs: number, serialLog: string): Promise<string> {
  const instances = instancesOf(scope.send, scope);
  let seen = "it was not seen";
  while (performance.now() < endMs) {
    const instance = await instances.instance(scope.name);
    const address = instance && addressOf(instance);
    if (address !== undefined) return address;
    if (instance && ![...COMING, "RUNNING"].includes(instance.status)) {
      throw await gone(scope.name, instance, serialLog);
    }
    seen = instance ? `it is ${instance.status}, ${instance.statusMessage ?? "without an address"}` : seen;
    await sleep(scope.pollMs, undefined, { signal: scope.signal }).catch(() => undefined);
  }
  throw new KvciError("guest-not-ready", `the instance ${scope.name} did not run in time: ${seen}`, {
    hint: `Look at the zone's state: gcloud compute zones describe ${scope.zone} --project=${scope.project}`,
  });
}

function addressOf({ status, networkInterfaces }: Instance): string | undefined {
  if (status !== "RUNNING") return undefined;
  return networkInterfaces.flatMap(({ accessConfigs }) => accessConfigs).find(({ natIP }) => natIP !== undefined)
    ?.natIP;
}

async function gone(name: string, instance: Instance | undefined, serialLog: string): Promise<KvciError> {
  const how = instance ? [instance.status, instance.statusMessage].filter(Boolean).join(": ") : "it is gone";
  return new KvciError("guest-died", `the instance ${name} ended while it was looked at: ${how}`, {
    hint: `The whole console is in ${serialLog}.`,
    evidence: await consoleTail(serialLog, 20),
  });
}
