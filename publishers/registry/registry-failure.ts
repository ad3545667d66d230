import { z } from "zod";
import { KvciError, messageOf } from "../../src/core/error.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import type { Verdict } from "../../src/publish/retry.ts";
import { headerOf, type HttpReply } from "./registry-http.ts";
import { authFiles, loginVariables, type RegistryLogin } from "./registry-login.ts";

/** A registry's answer that may be another one later. */
export class PassingAnswer extends Error {
  override readonly name = "PassingAnswer";
  readonly status: number;
  readonly afterMs: number | undefined;

  constructor(what: string, reply: Pick<HttpReply, "status"> & { readonly afterMs?: number | undefined }) {
    super(what);
    this.status = reply.status;
    this.afterMs = reply.afterMs;
  }
}

/** Whether asking again may help: timeouts, too early, too many, and what a server calls its own fault. */
export function isPassing(status: number): boolean {
  return [408, 425, 429].includes(status) || (status >= 500 && status !== 501);
}

/** Retry-After in milliseconds, from seconds or a date. */
export function retryAfterMs(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/**
 * How often bytes may be called wrong. docker-registry 2 writes its links in place and calls a digest wrong when it reads one that
 * another push of the same bytes is writing (seen with two runs at once); bytes that are wrong are so every time.
 */
export const MISMATCH_TRIES = 3;

/** Whether a registry says that what it was sent is not what its digest says. */
export function isMismatch(errors: readonly string[]): boolean {
  return errors.some((each) => /^(?:DIGEST|SIZE)_INVALID/.test(each));
}

export function passingAnswer(what: string, reply: HttpReply, now: number): PassingAnswer {
  const { status } = reply;
  const words = [what, `HTTP ${status}`, ...errorsIn(reply)].join(": ");
  return new PassingAnswer(words, { status, afterMs: retryAfterMs(headerOf(reply, "retry-after"), now) });
}

/** TLS says so at once, and would again. */
const CERTIFICATE = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_|CERT_|ERR_TLS_CERT|ERR_SSL)/;

/**
 * What errors of requests mean: throttling is waited out to the deadline, other passing trouble for `patienceMs` only, since a
 * registry that is not there would otherwise keep everybody waiting.
 */
export function classifier(
  host: string,
  { patienceMs, clock }: { readonly patienceMs: number; readonly clock: () => number },
): (error: unknown) => Verdict {
  let since: number | undefined;
  return (error) => {
    if (error instanceof KvciError) return { kind: "final", error };
    const verdict = error instanceof PassingAnswer ? passingVerdict(error) : AGAIN;
    if (isThrottling(error)) return verdict;
    if (CERTIFICATE.test(codeOf(error))) return { kind: "final", error: certificateError(host, error) };
    since ??= clock();
    return clock() - since > patienceMs ? { kind: "final", error: unreachable(host, error) } : verdict;
  };
}

const AGAIN: Verdict = { kind: "again" };

/** A server that says when it is back is not asked before, whatever its trouble. */
function passingVerdict({ status, afterMs }: PassingAnswer): Verdict {
  if (afterMs !== undefined) return { kind: "throttled", afterMs };
  return status === 429 ? { kind: "throttled" } : AGAIN;
}

function isThrottling(error: unknown): boolean {
  return error instanceof PassingAnswer && error.status === 429;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? "";
}

function certificateError(host: string, cause: unknown): KvciError {
  return new KvciError("publish-failed", `${host}: its certificate is not trusted: ${messageOf(cause)}`, {
    hint: "Name the file of the authority that signed it in SSL_CERT_FILE; it counts for oras, too.",
    cause,
  });
}

function unreachable(host: string, cause: unknown): KvciError {
  const reason = cause instanceof AggregateError ? messageOf(cause.errors[0]) : messageOf(cause);
  return new KvciError("publish-failed", `${host} does not answer as it should: ${reason}`, {
    hint: "Check the network, the proxy and the registry's status page, then run the same command again; it goes on where it stopped.",
    cause,
  });
}

/** The registry lets nobody in like that. */
export function deniedError(
  what: string,
  host: string,
  of: {
    readonly login: RegistryLogin | undefined;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly evidence?: readonly string[];
  },
): KvciError {
  const { user, password } = loginVariables(host);
  const files = authFiles(of.env).map(({ path }) => path);
  const [message, hint] = of.login
    ? [
        `${host} refuses ${what} to the account of ${of.login.source}`,
        `Log in with \`podman login ${host}\` (it writes to ${files[0] ?? "an auth file"}), or give the account write access to the repository; on quay.io a robot account needs "Write".`,
      ]
    : [
        `${host} wants credentials for ${what}, and there are none for it`,
        `Log in with \`podman login ${host}\`, or set ${user} and ${password}. Looked at: ${files.join(", ")}.`,
      ];
  return new KvciError("publish-denied", message, { hint, evidence: of.evidence ?? [] });
}

/** A registry that called bytes wrong as often as it was to be asked. */
export function mismatchError(what: string, evidence: readonly string[]): KvciError {
  return new KvciError("publish-integrity", `${what}: bytes did not arrive as they are in the layout`, {
    hint: "Check the disk with `kvci-build verify`, and the network; then run the same command again.",
    evidence,
  });
}

/** An answer that nobody expects: final, because it would be the same again. */
export function answerError(what: string, reply: HttpReply): KvciError {
  const evidence = [`HTTP ${reply.status}`, ...errorsIn(reply)];
  if (reply.status === 413) {
    return new KvciError("publish-blocked", `${what}: the registry takes nothing that large`, {
      hint: 'Publish the layered image (image: "layered-disk"), whose layers are smaller, or raise the registry\'s limit.',
      evidence,
    });
  }
  if (isMismatch(errorsIn(reply))) return mismatchError(what, evidence);
  const [, code = ""] = evidence;
  if (/quota|storage|exceed/i.test(code)) {
    return new KvciError("publish-quota", `${what}: the registry has no room left for it`, {
      hint: "Remove old images from the repository, or have its quota raised.",
      evidence,
    });
  }
  return new KvciError("publish-failed", `${what}: the registry answered HTTP ${reply.status}`, {
    hint: "See the registry's own words above; it would answer the same again.",
    evidence,
  });
}

const errorBody = z.looseObject({
  errors: z.array(z.looseObject({ code: z.string().optional(), message: z.string().optional() })),
});

/** A registry's own words: code and message of each error. */
export function errorsIn({ body }: HttpReply): string[] {
  const parsed = errorBody.safeParse(jsonOf(body.toString("utf8")));
  if (!parsed.success) return [];
  return parsed.data.errors.slice(0, 5).map(({ code = "", message = "" }) => `${code} ${message}`.trim());
}
