import { randomUUID } from "node:crypto";
import { messageOf } from "../src/core/error.ts";
import type { ComputeOperation } from "../src/gcp/compute-calls.ts";
import { instancesOf, type Instances } from "../src/gcp/instances.ts";
import { finished, pause } from "../src/gcp/operation-end.ts";
import type { GcpSend } from "../src/gcp/request.ts";
import type { PlaceContext } from "./place.ts";

/** What one clone's parts have in common. */
export interface GceScope extends PlaceContext {
  /** With retries. */
  readonly send: GcpSend;
  readonly project: string;
  readonly zone: string;
  /** Of all of them, and of nothing else in the project. */
  readonly name: string;
  /** Milliseconds between two looks. */
  readonly pollMs: number;
}

type Zone = Pick<GceScope, "send" | "project" | "zone" | "pollMs">;

/** Milliseconds for the end of one part. */
const END_MS = 300_000;
/** How often something is looked for whose maker got no answer. */
const LOOKS = 3;

/** A part that goes with the clone, also when nobody knows whether it came to be. */
export interface GcePart extends AsyncDisposable {
  /** Makes it and waits until it is made. @throws {KvciError} what Google says; `publish-failed` past `limitMs`; `interrupted` */
  make(limitMs: number): Promise<void>;
}

export interface PartCalls {
  readonly kind: string;
  readonly action: string;
  readonly insert: (instances: Instances, requestId: string) => Promise<ComputeOperation>;
  readonly isThere: (instances: Instances) => Promise<boolean>;
  readonly remove: (zone: Zone, signal: AbortSignal) => Promise<void>;
}

/**
 * A part is held before it is made, so that it goes also when the call that makes it is stopped half-way. Its end never fails: what
 * stays is said in a warning, and removed by a later run.
 */
export function gcePart(scope: GceScope, { kind, action, insert, isThere, remove }: PartCalls): GcePart {
  let state: "none" | "asked" | "known" = "none";
  return {
    make: async (limitMs) => {
      const { signal, pollMs } = scope;
      const instances = instancesOf(scope.send, scope);
      state = "asked";
      const operation = await insert(instances, randomUUID());
      state = "known";
      await finished(operation, action, { waitOnce: instances.waitOnce, pollMs, signal, limitMs });
    },
    [Symbol.asyncDispose]: async () => {
      if (state === "none") return;
      // Not the run's own signal: a part goes also when the run was stopped.
      const signal = AbortSignal.timeout(END_MS);
      try {
        if (state === "asked") {
          await untilSeen(() => isThere(instancesOf(scope.send, { ...scope, signal })), scope, signal);
        }
        await remove(scope, signal);
        state = "none";
      } catch (error) {
        const detail = `stays in ${scope.project}, for a later run to remove: ${messageOf(error)}`;
        scope.journal.emit({ type: "warning", subject: `${kind} ${scope.name}`, detail });
      }
    },
  };
}

/** A call that was stopped on its way may be heard a moment later. */
async function untilSeen(
  isThere: () => Promise<boolean>,
  { pollMs }: Pick<GceScope, "pollMs">,
  signal: AbortSignal,
): Promise<void> {
  for (let look = 1; look < LOOKS; look += 1) {
    if (await isThere()) return;
    await pause(pollMs, signal);
  }
}

/** Removes an instance with its disk, and waits until both are gone. Gone already is done. */
export async function removeInstance(name: string, zone: Zone, signal: AbortSignal): Promise<void> {
  const instances = instancesOf(zone.send, { ...zone, signal });
  await removed(await instances.deleteInstance(name, randomUUID()), "compute.instances.delete", {
    waitOnce: instances.waitOnce,
    pollMs: zone.pollMs,
    signal,
  });
}

export async function removeFirewall(name: string, zone: Zone, signal: AbortSignal): Promise<void> {
  const instances = instancesOf(zone.send, { ...zone, signal });
  await removed(await instances.deleteFirewall(name, randomUUID()), "compute.firewalls.delete", {
    waitOnce: instances.waitOnce,
    pollMs: zone.pollMs,
    signal,
  });
}

async function removed(
  operation: ComputeOperation | undefined,
  action: string,
  watch: Omit<Parameters<typeof finished>[2], "limitMs">,
): Promise<void> {
  if (operation) await finished(operation, action, { ...watch, limitMs: END_MS });
}
