import { withDisposal } from "../../src/core/disposal.ts";
import { KvciError } from "../../src/core/error.ts";
import type { BuildEvent } from "../../src/core/event.ts";
import type { Journal } from "../../src/core/journal.ts";
import type { runProgram } from "../../src/host/program.ts";
import { retrying } from "../../src/publish/retry.ts";
import { withAuthFile } from "./auth-folder.ts";
import { OrasGateway, troubleOf, type Refusal } from "./oras-gateway.ts";
import type { RegistryClient } from "./registry-client.ts";
import {
  classifier,
  deniedError,
  isMismatch,
  isPassing,
  MISMATCH_TRIES,
  mismatchError,
  PassingAnswer,
} from "./registry-failure.ts";
import type { WantedImage } from "./registry-state.ts";

export interface OrasPorts {
  readonly oras: string;
  readonly runProgram: typeof runProgram;
  readonly storeRoot: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
  /** Milliseconds for throttling, and for other trouble. */
  readonly deadlineMs: number;
  readonly patienceMs: number;
  readonly chunkBytes?: number | undefined;
}

export interface OrasPush {
  readonly client: RegistryClient;
  readonly image: WantedImage;
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

/** Milliseconds for one run of oras: 24 hours, for a disk on a slow line. */
const TIMEOUT_MS = 24 * 60 * 60_000;
const PROGRESS_MS = 500;

/**
 * Copies an image from its layout into a repository, by digest; blobs that are there are not sent.
 *
 * @returns digests of the blobs that were sent.
 * @throws {KvciError} `publish-denied`, `publish-blocked`, `publish-throttled`, `publish-failed`, `interrupted`
 */
export async function orasPush(push: OrasPush, ports: OrasPorts): Promise<readonly string[]> {
  const { client, journal, signal } = push;
  const { host, repository } = client.place;
  const { now, deadlineMs, patienceMs, chunkBytes } = ports;
  const warn = (detail: string): void => journal.emit({ type: "warning", subject: host, detail });
  const taken = new Set<string>();
  let mismatches = 0;
  const once = async (): Promise<void> => {
    const onWait = (waitMs: number): void => warn(`asks to wait ${Math.ceil(waitMs / 1000)} s`);
    const gateway = await OrasGateway.start(client, { now, deadlineMs, patienceMs, chunkBytes, signal, onWait });
    await withDisposal(gateway, async () => {
      try {
        await runOras(push, { gateway, ports });
      } catch (error) {
        const { refused } = gateway;
        const isAgain = refused && isMismatch(refused.errors) && (mismatches += 1) < MISMATCH_TRIES;
        throw isAgain && !signal.aborted ? new PassingAnswer(troubleOf(gateway).join(": "), refused) : error;
      } finally {
        gateway.taken.forEach((digest) => taken.add(digest));
      }
    });
  };
  await retrying(once, {
    what: `${host}: pushing to ${repository}`,
    deadlineMs,
    signal,
    classify: classifier(host, { patienceMs, clock: () => performance.now() }),
    onRetry: ({ waitMs }) => warn(`is in trouble; going on in ${Math.ceil(waitMs / 1000)} s`),
  });
  return [...taken];
}

async function runOras(
  push: OrasPush,
  { gateway, ports }: { readonly gateway: OrasGateway; readonly ports: OrasPorts },
): Promise<void> {
  const { image, client, signal } = push;
  const { repository } = client.place;
  const progress = setInterval(() => tellProgress(push, gateway), PROGRESS_MS);
  try {
    await withAuthFile(ports.storeRoot, gateway.authFile, (authFile) =>
      ports.runProgram(
        [
          ...([ports.oras, "cp", "--no-tty", "--to-plain-http", "--from-oci-layout"] as const),
          ...["--to-registry-config", authFile],
          `${image.layout}@${image.digest}`,
          `${gateway.host}/${repository}@${image.digest}`,
        ],
        // A proxy of the environment is for the registry, not for this machine.
        {
          signal,
          timeoutMs: TIMEOUT_MS,
          env: { NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" },
          journal: quiet(push.journal),
        },
      ),
    );
    tellProgress(push, gateway);
  } catch (error) {
    throw signal.aborted ? error : orasError(error, { gateway, push, ports });
  } finally {
    clearInterval(progress);
  }
}

function tellProgress({ image, journal }: OrasPush, { sent }: OrasGateway): void {
  const totalBytes = image.blobs.filter(({ digest }) => sent.has(digest)).reduce((sum, { size }) => sum + size, 0);
  const doneBytes = [...sent.values()].reduce((sum, bytes) => sum + bytes, 0);
  if (totalBytes === 0) return;
  journal.emit({ type: "transfer", name: `${image.template} ${image.arch}`, doneBytes, totalBytes });
}

/** What oras prints is of copies, skips and addresses of the gateway, which nobody wants in a journal. */
function quiet(journal: Journal): Journal {
  const emit = (event: BuildEvent): void => {
    if (event.type !== "output") journal.emit(event);
  };
  return { emit, span: (_span, work) => work({ emit, span: journal.span }) };
}

interface Failed {
  readonly gateway: OrasGateway;
  readonly push: OrasPush;
  readonly ports: OrasPorts;
}

/** What oras' failure means; only the gateway knows what the registry said. */
function orasError(error: unknown, { gateway, push, ports }: Failed): unknown {
  if (!(error instanceof KvciError) || error.code !== "program-failed") return error;
  const { client } = push;
  const { host, repository } = client.place;
  const { refused, broken } = gateway;
  if (broken instanceof KvciError) return broken;
  const said = error.evidence.filter((line) => /^error/i.test(line)).map((line) => plain(line, gateway.host, host));
  const evidence = [...troubleOf(gateway), ...said].slice(0, 6);
  if (!refused) return broken ?? new Error(evidence[0]);
  if (isPassing(refused.status)) return new PassingAnswer(evidence.join(": "), refused);
  if ([401, 403, 404].includes(refused.status)) {
    return deniedError(`pushing to ${repository}`, host, { login: client.login, env: ports.env, evidence });
  }
  return finalError(push, { evidence, refused });
}

/** Without the query of an upload, which may be a secret, and with the registry's own name. */
function plain(line: string, gateway: string, host: string): string {
  return line.replace(/\?[^"\s]*/g, "?…").replaceAll(gateway, host);
}

/** What would fail again. */
function finalError(
  { client: { place } }: OrasPush,
  { evidence, refused }: { readonly evidence: readonly string[]; readonly refused: Refusal },
): KvciError {
  const { host, repository } = place;
  if (refused.status === 413) {
    return new KvciError("publish-blocked", `${host} takes no blob that large`, {
      hint: 'Publish the layered image (image: "layered-disk"), whose layers are smaller, or raise the registry\'s limit.',
      evidence,
    });
  }
  if (isMismatch(refused.errors)) return mismatchError(`${host}/${repository}`, evidence);
  return new KvciError("publish-failed", `${host} refuses ${repository} with HTTP ${refused.status}`, {
    hint: "See the registry's own words; it would answer the same again.",
    evidence,
  });
}
