import { setTimeout as sleep } from "node:timers/promises";
import { KvciError } from "../src/core/error.ts";
import { lastLines } from "../src/host/last-lines.ts";
import { writeFileAtomic } from "../src/store/atomic.ts";
import type { Ec2Scope } from "./ec2-part.ts";
import { endOf } from "./ec2-running.ts";
import { plainText } from "./plain-text.ts";

/** A console that is copied into a file until it is disposed of. */
export interface ConsoleFeed extends AsyncDisposable {
  /** Rejects when the instance runs no more, or cannot be looked at. */
  readonly died: Promise<never>;
}

/**
 * Copies what the instance says on its console into a file, all of the last 64 KiB, which is what EC2 keeps. The last copy is made
 * on disposal, when the guest has said everything.
 */
export function watchConsole(id: string, scope: Ec2Scope, serialLog: string): ConsoleFeed {
  const done = new AbortController();
  const signal = AbortSignal.any([scope.signal, done.signal]);
  const died = Promise.withResolvers<never>();
  died.promise.catch(() => undefined);
  const copy = (by: AbortSignal) => copyConsole(id, { ...scope, signal: by }, serialLog);
  const work = follow(id, { ...scope, signal }, () => copy(signal)).catch((error: unknown) => {
    if (!signal.aborted) died.reject(error);
  });
  return {
    died: died.promise,
    [Symbol.asyncDispose]: async () => {
      done.abort();
      await work;
      // Only a record: nothing hangs on it any more.
      await copy(new AbortController().signal).catch(() => undefined);
    },
  };
}

async function follow(id: string, scope: Ec2Scope, copy: () => Promise<string>): Promise<never> {
  for (;;) {
    const text = await copy();
    const end = await endOf(id, scope);
    if (end !== undefined) throw gone(id, end, text);
    await sleep(scope.pollMs, undefined, { signal: scope.signal });
  }
}

/** @returns what was written. An instance without a console yet leaves the file as it is. */
async function copyConsole(id: string, scope: Ec2Scope, serialLog: string): Promise<string> {
  const text = (await output(id, true, scope)) ?? (await output(id, false, scope)) ?? "";
  if (text !== "") await writeFileAtomic(serialLog, text);
  return text;
}

/** @param latest as of now; instances of old types only have what EC2 noted when they started. @returns nothing from those. */
async function output(
  id: string,
  latest: boolean,
  { caller, region, signal }: Pick<Ec2Scope, "caller" | "region" | "signal">,
): Promise<string | undefined> {
  const input = { InstanceId: id, ...(latest ? { Latest: true } : {}) };
  const isExpected = ({ code }: { readonly code: string }): boolean => latest && code === "UnsupportedOperation";
  const answer = await caller.ask({ action: "ec2:GetConsoleOutput", region, input }, { signal, isExpected });
  return "output" in answer ? Buffer.from(answer.output.Output ?? "", "base64").toString("latin1") : undefined;
}

function gone(id: string, why: string, text: string): KvciError {
  return new KvciError("guest-died", `the instance ${id} ended while it was looked at: ${why}`, {
    hint: "Its last console output is the evidence.",
    evidence: lastLines(plainText(text), 20),
  });
}
