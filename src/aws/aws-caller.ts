import { awsFailure, awsVerdict, isExpired, type AwsCall, type AwsFailure, type AwsVerdict } from "./aws-errors.ts";
import type { AwsAction, AwsApi, AwsInput, AwsOutput } from "./clients.ts";
import { KvciError } from "../core/error.ts";
import { retrying, type Verdict } from "../publish/retry.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
  /** Milliseconds for all attempts. */
  readonly deadlineMs?: number;
  /** Milliseconds for which "not found" means "not yet". Default: none. */
  readonly absentForMs?: number;
  readonly onThrottled?: () => void;
  /** Before the second attempt, on average; see `retrying`. */
  readonly baseMs?: number;
}

/** What came back: an output, or an error that the caller knows what to do with. */
export type Answer<O> =
  { readonly output: O; readonly attempts: number } | { readonly failure: AwsFailure; readonly attempts: number };

export interface AwsRequest<A extends AwsAction> {
  readonly action: A;
  readonly region: string;
  readonly input: AwsInput<A>;
}

/** Calls to AWS, tried again where that can help: nothing below or above does. */
export interface AwsCaller {
  /** Milliseconds for calls that name no deadline. */
  readonly deadlineMs: number;
  /** @throws {KvciError} `publish-denied`, `publish-blocked`, `publish-quota`, `publish-conflict`, `publish-throttled`, `publish-failed`, `interrupted` */
  call<A extends AwsAction>(request: AwsRequest<A>, options: CallOptions): Promise<AwsOutput<A>>;
  /** @returns nothing when what the call is about does not exist. */
  find<A extends AwsAction>(request: AwsRequest<A>, options: CallOptions): Promise<AwsOutput<A> | undefined>;
  /** @param isExpected tells the failures that are answers. */
  ask<A extends AwsAction>(
    request: AwsRequest<A>,
    options: CallOptions & { readonly isExpected: (failure: AwsFailure) => boolean },
  ): Promise<Answer<AwsOutput<A>>>;
  /** All pages of a list. */
  pages<A extends PagedAction>(request: AwsRequest<A>, options: CallOptions): Promise<readonly AwsOutput<A>[]>;
}

type PagedAction = {
  [A in AwsAction]: AwsOutput<A> extends { NextToken?: string | undefined } ? A : never;
}[AwsAction];

const DEADLINE_MS = 120_000;
/** No account has more than 50 000 images in a region: at a thousand on a page, this many pages never come. */
const MAX_PAGES = 1_000;

/** @param deadlineMs for calls that name none. */
export function awsCaller(api: AwsApi, { deadlineMs = DEADLINE_MS }: { readonly deadlineMs?: number } = {}): AwsCaller {
  const ask: AwsCaller["ask"] = async (request, options) => {
    const attempt = new Attempts(request, options);
    const { signal, baseMs } = options;
    return retrying(
      async () => {
        attempt.count += 1;
        try {
          return { output: await api.send(request, signal), attempts: attempt.count };
        } catch (error) {
          if (!options.isExpected(awsFailure(error))) throw error;
          return { failure: awsFailure(error), attempts: attempt.count };
        }
      },
      {
        what: `${request.action} in ${request.region}`,
        deadlineMs: options.deadlineMs ?? deadlineMs,
        signal,
        classify: (error) => attempt.classify(error, api),
        ...(baseMs === undefined ? {} : { baseMs }),
        onRetry: ({ throttled }) => {
          if (throttled) options.onThrottled?.();
        },
      },
    );
  };
  const call: AwsCaller["call"] = async (request, options) => {
    const answer = await ask(request, { ...options, isExpected: () => false });
    return (answer as { readonly output: AwsOutput<typeof request.action> }).output;
  };
  const find: AwsCaller["find"] = async (request, options) => {
    const patientUntil = performance.now() + (options.absentForMs ?? 0);
    const answer = await ask(request, {
      ...options,
      isExpected: (failure) => isAbsent(failure, request) && performance.now() >= patientUntil,
    });
    return "output" in answer ? answer.output : undefined;
  };
  return { deadlineMs, ask, call, find, pages: (request, options) => pagesOf(call, request, options) };
}

async function pagesOf<A extends PagedAction>(
  call: AwsCaller["call"],
  request: AwsRequest<A>,
  options: CallOptions,
): Promise<readonly AwsOutput<A>[]> {
  const pages: AwsOutput<A>[] = [];
  let next: string | undefined;
  do {
    const input = { ...request.input, ...(next === undefined ? {} : { NextToken: next }) };
    const page = await call({ ...request, input }, options);
    pages.push(page);
    next = (page as { readonly NextToken?: string }).NextToken;
  } while (next !== undefined && next !== "" && pages.length < MAX_PAGES);
  return pages;
}

/** One call's attempts so far, and what to make of their errors. */
class Attempts {
  count = 0;
  #renewed = false;
  readonly #began = performance.now();
  readonly #request: AwsRequest<AwsAction>;
  readonly #options: CallOptions;

  constructor(request: AwsRequest<AwsAction>, options: CallOptions) {
    this.#request = request;
    this.#options = options;
  }

  classify(error: unknown, api: AwsApi): Verdict {
    // Once: a session that ended while it was in use is replaced by the next one; one that had ended before stays so.
    if (isExpired(error) && !this.#renewed) {
      this.#renewed = true;
      api.renew();
      return { kind: "again" };
    }
    const verdict = awsVerdict(error, this.#request);
    if (verdict.kind !== "absent") return verdict;
    const age = performance.now() - this.#began;
    if (age < (this.#options.absentForMs ?? 0)) return { kind: "again" };
    return { kind: "final", error: absent(error, this.#request) };
  }
}

function absent(error: unknown, { action, region }: AwsRequest<AwsAction>): KvciError {
  const { code, message, requestId } = awsFailure(error);
  return new KvciError("publish-failed", `${action} in ${region}: ${message}`, {
    hint: "Somebody removed it, or it is not visible yet: run the same command again.",
    evidence: [code, ...(requestId === undefined ? [] : [`request id ${requestId}`])],
    cause: error,
  });
}

/** Whether a call's failure says that what it is about does not exist. */
export function isAbsent(failure: AwsFailure, call: AwsCall): boolean {
  return verdictOf(failure, call).kind === "absent";
}

export function verdictOf({ code, message, status }: AwsFailure, call: AwsCall): AwsVerdict {
  return awsVerdict({ name: code, message, $metadata: { httpStatusCode: status } }, call);
}
