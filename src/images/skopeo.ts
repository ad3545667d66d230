import { setTimeout as delay } from "node:timers/promises";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { runProgram } from "../host/program.ts";
import { registryError } from "./registry-error.ts";
import type { RegistryAccess } from "./registries-conf.ts";

export interface SkopeoContext {
  readonly access: RegistryAccess;
  readonly signal: AbortSignal;
  readonly journal?: Journal | undefined;
  readonly tuning?: Partial<SkopeoTuning> | undefined;
}

export interface SkopeoTuning {
  /** Milliseconds for a manifest or a configuration, waiting included. */
  readonly documentMs: number;
  /** Milliseconds for the blobs of one image. */
  readonly copyMs: number;
  /** Milliseconds before what failed in passing is tried again; doubles with each time. */
  readonly retryMs: number;
}

const TUNING: SkopeoTuning = {
  // A registry may ask for a minute's patience five times (429), and skopeo grants it.
  documentMs: 10 * 60_000,
  // The largest images for nodes have some 2 GiB; at 1 MiB/s that takes half an hour.
  copyMs: 60 * 60_000,
  retryMs: 1_000,
};
/** skopeo has retries of its own, but version 1.9 takes neither a 5xx nor a broken connection for worth one. */
const ATTEMPTS = 5;
/** What may be different the next time. */
const PASSING =
  /\b50[0234]\b|\bEOF\b|connection (?:reset|refused)|broken pipe|i\/o timeout|TLS handshake timeout|stream error|server misbehaving|temporary failure/i;

/**
 * The bytes that a reference stands for, as the registry has them: a manifest or an index.
 *
 * @param ref with a tag or a digest.
 * @throws {KvciError} see `registryError`
 */
export async function rawDocument(ref: string, context: SkopeoContext): Promise<Buffer> {
  return Buffer.from(await inspect(["--raw"], ref, context), "utf8");
}

/** The bytes of an image's configuration, as the registry has them. */
export async function rawConfig(ref: string, context: SkopeoContext): Promise<Buffer> {
  return Buffer.from(await inspect(["--raw", "--config"], ref, context), "utf8");
}

/**
 * Brings the blobs of the image at a manifest's digest into `folder/sha256`; those that are there are not fetched. A blob
 * appears under its name when it is whole and its digest was checked. What skopeo makes of a manifest in Docker's format
 * (another manifest, another configuration) lies there, too.
 *
 * @param to.scratch folder for files on their way, on the same filesystem.
 */
export async function copyBlobs(
  ref: string,
  to: { readonly folder: string; readonly scratch: string },
  context: SkopeoContext,
): Promise<void> {
  const options = ["--quiet", "--dest-shared-blob-dir", to.folder];
  // Without the last one layers that are not compressed would be, and have another digest then.
  const argv = [
    "copy",
    ...options,
    "--dest-oci-accept-uncompressed-layers",
    `docker://${ref}`,
    `oci:${to.scratch}:image`,
  ];
  await skopeo(argv, ref, { ...context, timeoutMs: context.tuning?.copyMs ?? TUNING.copyMs });
}

function inspect(what: readonly string[], ref: string, context: SkopeoContext): Promise<string> {
  const argv = ["inspect", ...what, `docker://${ref}`];
  return skopeo(argv, ref, { ...context, timeoutMs: context.tuning?.documentMs ?? TUNING.documentMs });
}

type Run = SkopeoContext & { readonly timeoutMs: number };

/** Runs skopeo, and again when it failed in passing: blobs that came are not fetched again. */
async function skopeo(argv: readonly string[], ref: string, run: Run): Promise<string> {
  let pauseMs = run.tuning?.retryMs ?? TUNING.retryMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await skopeoOnce(argv, ref, run);
    } catch (error) {
      if (attempt === ATTEMPTS || !isPassing(error)) throw error;
    }
    await delay(pauseMs, undefined, { signal: run.signal }).catch(() => undefined);
    run.signal.throwIfAborted();
    pauseMs *= 2;
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof KvciError && error.code === "registry-failed" && PASSING.test(error.evidence.at(-1) ?? "");
}

async function skopeoOnce(
  argv: readonly string[],
  ref: string,
  { access, signal, journal, timeoutMs }: Run,
): Promise<string> {
  const conf = ref.includes("@") ? access.byDigest : access.byTag;
  // Everything is checked by digest. A policy about signatures is for those who run images, and a host may have none at all.
  const settings = ["--insecure-policy", ...(conf === undefined ? [] : ["--registries-conf", conf])];
  try {
    return await runProgram(["skopeo", ...settings, ...argv], {
      signal,
      timeoutMs,
      ...(access.env ? { env: access.env } : {}),
      ...(journal ? { onOutput: reporter(journal) } : {}),
    });
  } catch (error) {
    throw registryError(ref, withoutCommand(error));
  }
}

/** What skopeo says beside the documents that it is asked for. */
function reporter(journal: Journal): (stream: "stdout" | "stderr", text: string) => void {
  return (stream, text) => {
    if (stream === "stderr") journal.emit({ type: "output", stream, text });
  };
}

/** A deadline that passed leaves no fatal line behind; its message is the evidence. */
function withoutCommand(error: unknown): unknown {
  if (!(error instanceof KvciError) || !error.message.includes("did not end within")) return error;
  return new KvciError(error.code, error.message, { hint: error.hint, evidence: [...error.evidence, error.message] });
}
