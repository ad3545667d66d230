import { setTimeout as sleep } from "node:timers/promises";
import type { AwsCaller, CallOptions } from "../src/aws/aws-caller.ts";
import type { Tags } from "../src/aws/managed-tags.ts";
import { messageOf } from "../src/core/error.ts";
import type { PlaceContext } from "./place.ts";

/** What one clone's parts have in common. */
export interface Ec2Scope extends PlaceContext {
  readonly caller: AwsCaller;
  readonly region: string;
  /** Of all of them, and of nothing else in the region. */
  readonly name: string;
  readonly tags: Tags;
  /** Milliseconds between two looks. */
  readonly pollMs: number;
}

/** Milliseconds until what was made is known everywhere. */
const VISIBLE_MS = 60_000;
/** How often something is looked for whose maker got no answer. */
const LOOKS = 3;

/** The end of a part that may or may not have been made. */
export interface Ec2Part extends AsyncDisposable {
  /** From now on there may be something to remove. @returns options for the calls that make it. */
  begin(): CallOptions;
}

/**
 * A part is held before it is made, so that it goes also when the call that makes it is stopped half-way. Its end never fails: what
 * stays is said in a warning, and removed by a later run, by its tags.
 *
 * @param remove is given a signal that is not the run's: a part goes also when the run was stopped.
 */
export function ec2Part(kind: string, scope: Ec2Scope, remove: (signal: AbortSignal) => Promise<unknown>): Ec2Part {
  let isBegun = false;
  return {
    begin: () => {
      isBegun = true;
      return { signal: scope.signal, absentForMs: VISIBLE_MS };
    },
    [Symbol.asyncDispose]: async () => {
      if (!isBegun) return;
      isBegun = false;
      try {
        await remove(new AbortController().signal);
      } catch (error) {
        const detail = `stays in ${scope.region}, for a later run to remove: ${messageOf(error)}`;
        scope.journal.emit({ type: "warning", subject: `${kind} ${scope.name}`, detail });
      }
    },
  };
}

/** Looks several times for what an answer that was lost told of: it comes into sight late, if it is there at all. */
export async function whenSeen(
  find: () => Promise<string | undefined>,
  { pollMs, signal }: Pick<Ec2Scope, "pollMs" | "signal">,
): Promise<string | undefined> {
  for (let look = 1; ; look += 1) {
    const id = await find();
    if (id !== undefined || look === LOOKS) return id;
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  }
}
