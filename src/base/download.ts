import { setTimeout as sleep } from "node:timers/promises";
import type { Digest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import { algorithmOf, digestOfPieces } from "../host/file-digest.ts";
import { MirrorFailed } from "./mirror-failed.ts";
import { fetchFromMirror, type SessionOptions } from "./mirror-session.ts";
import { PartialFile } from "./partial-file.ts";
import { shownUrl } from "./shown-url.ts";

export interface DownloadTuning {
  /** Connections at once to a server that has ranges. */
  readonly connections: number;
  /** Bytes per range; what a killed process loses at most, per connection. */
  readonly chunkBytes: number;
  /** Milliseconds without a byte after which a mirror counts as stalled. */
  readonly idleMs: number;
  /** Milliseconds for the whole download. */
  readonly deadlineMs: number;
  /** Times all mirrors are tried without one new byte before it is given up. */
  readonly fruitlessRounds: number;
  /** Milliseconds before the second round; doubles with each, up to 30 s. */
  readonly backoffMs: number;
  /** Longest Retry-After that is waited for, in milliseconds. */
  readonly retryAfterLimitMs: number;
}

/** 6 × 8 MiB keeps a fast line full and stays below the eight connections at which mirrors begin to refuse. */
const TUNING: DownloadTuning = {
  connections: 6,
  chunkBytes: 8 * 1024 * 1024,
  idleMs: 30_000,
  deadlineMs: 6 * 3_600_000,
  fruitlessRounds: 4,
  backoffMs: 1_000,
  retryAfterLimitMs: 60_000,
};

const LONGEST_BACKOFF_MS = 30_000;
/** Milliseconds between two progress events: ten a second is as much as an eye follows. */
const PROGRESS_EVERY_MS = 100;

export interface DownloadRequest {
  /** The file's URL and its mirrors', in the order they are tried. */
  readonly urls: readonly string[];
  readonly digest: Digest;
  /** Folder that survives the process; a download in it is gone on with. Nobody else may use it meanwhile. */
  readonly folder: string;
  /** Name in progress events; default: the last part of the first URL's path. */
  readonly name?: string;
  readonly signal: AbortSignal;
  readonly journal: Journal;
  readonly tuning?: Partial<DownloadTuning>;
}

interface Mirror {
  readonly url: string;
  failure?: MirrorFailed;
}

interface Run extends DownloadRequest {
  readonly tune: DownloadTuning;
  readonly file: PartialFile;
  readonly mirrors: readonly Mirror[];
  readonly deadline: AbortSignal;
  readonly progress: () => void;
  /** Who delivered bytes of what is in the file; `undefined` in it stands for an earlier run. */
  readonly givers: Set<Mirror | undefined>;
  /** After a wrong digest that nobody could be blamed for: no more mixing of mirrors. */
  unmixed: boolean;
  wrong?: Digest;
}

/**
 * Downloads a file and returns the path of its verified bytes, inside `folder`.
 *
 * @throws {KvciError} `digest-mismatch` when what was delivered is not the file, `download-failed` with each mirror's
 *   reason, `store-full`, `store-unusable`, `interrupted`. What was fetched stays for the next call, except wrong bytes.
 */
export async function download(request: DownloadRequest): Promise<string> {
  return withDisposal(await PartialFile.open(request.folder, request.digest), (file) => downloadInto(file, request));
}

async function downloadInto(file: PartialFile, request: DownloadRequest): Promise<string> {
  const run = startRun(request, file);
  if (file.isComplete && (await isVerified(run))) return file.path;
  const { fruitlessRounds } = run.tune;
  for (let round = 0, fruitless = 0; isWorthwhile(run, fruitless); round++) {
    const before = file.doneBytes;
    if (await tryMirrors(run, round)) return file.path;
    fruitless = file.doneBytes > before ? 0 : fruitless + 1;
    if (fruitless < fruitlessRounds) await pause(run, fruitless);
  }
  throw undelivered(run);
}

function startRun(request: DownloadRequest, file: PartialFile): Run {
  const tune = { ...TUNING, ...request.tuning };
  return {
    ...request,
    tune,
    file,
    mirrors: [...new Set(request.urls)].map((url) => ({ url })),
    deadline: AbortSignal.timeout(tune.deadlineMs),
    progress: progressReporter(request, file),
    givers: new Set(file.doneBytes > 0 ? [undefined] : []),
    unmixed: false,
  };
}

function isWorthwhile({ mirrors, deadline, tune }: Run, fruitless: number): boolean {
  return fruitless < tune.fruitlessRounds && !deadline.aborted && mirrors.some(isUsable);
}

async function tryMirrors(run: Run, round: number): Promise<boolean> {
  const usable = run.mirrors.filter(isUsable);
  // Mirrors that tell different lengths: when the first one's did not work out for a round, the others get their turn.
  const other = usable.find(({ failure }) => failure?.otherLength);
  if (other) await forget(run);
  for (const mirror of other ? [other, ...usable.filter((item) => item !== other)] : usable) {
    if (run.deadline.aborted) return false;
    if (await tryMirror(run, mirror, round > 0 || usable.length === 1)) return true;
  }
  return false;
}

async function tryMirror(run: Run, mirror: Mirror, lastResort: boolean): Promise<boolean> {
  const { file, givers } = run;
  if (run.unmixed && [...givers].some((giver) => giver !== mirror)) await forget(run);
  const before = file.doneBytes;
  try {
    await fetchFromMirror(session(run, mirror, lastResort || run.unmixed));
    givers.add(mirror);
    return await isVerified(run);
  } catch (error) {
    if (file.doneBytes > before) givers.add(mirror);
    if (error instanceof MirrorFailed) {
      fail(run, mirror, error);
      return false;
    }
    throw isLate(run) ? undelivered(run) : error;
  }
}

/** Ended by the deadline, which looks like an abort from inside a request. */
function isLate({ deadline, signal }: Run): boolean {
  return deadline.aborted && !signal.aborted;
}

function session(run: Run, { url }: Mirror, lastResort: boolean): SessionOptions {
  const { connections, chunkBytes, idleMs } = run.tune;
  const signal = AbortSignal.any([run.signal, run.deadline]);
  return { url, file: run.file, signal, connections, chunkBytes, idleMs, lastResort, onProgress: run.progress };
}

/** Checks the finished file. A wrong one is removed, and blamed on the mirror that gave all of it. */
async function isVerified(run: Run): Promise<boolean> {
  const actual = await digestOfPieces(stoppable(run), algorithmOf(run.digest));
  if (actual === run.digest) return true;
  run.wrong = actual;
  const givers = [...run.givers];
  await forget(run);
  const [giver] = givers;
  if (givers.length === 1 && giver) {
    fail(run, giver, new MirrorFailed(`wrong bytes: ${actual}`, { forGood: true }));
  } else {
    run.unmixed = true;
  }
  return false;
}

async function* stoppable({ file, signal }: Run): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of file.bytes()) {
    if (signal.aborted) throw stopped();
    yield piece;
  }
}

async function forget({ file, givers }: Run): Promise<void> {
  await file.reset();
  givers.clear();
}

function fail({ journal }: Run, mirror: Mirror, failure: MirrorFailed): void {
  mirror.failure = failure;
  journal.emit({ type: "mirror-failed", url: shownUrl(mirror.url), reason: failure.message });
}

function isUsable({ failure }: Mirror): boolean {
  return failure?.forGood !== true;
}

/** Waits before all mirrors are tried again: the backoff, or what the most patient server asked for. */
async function pause({ tune, mirrors, signal, deadline }: Run, fruitless: number): Promise<void> {
  if (!mirrors.some(isUsable)) return;
  const backoffMs = Math.min(LONGEST_BACKOFF_MS, tune.backoffMs * 2 ** Math.max(0, fruitless - 1));
  const asked = Math.min(...mirrors.filter(isUsable).map(({ failure }) => failure?.retryAfterMs ?? 0));
  const waitMs = Math.max(backoffMs, Math.min(asked, tune.retryAfterLimitMs));
  await sleep(waitMs, undefined, { signal: AbortSignal.any([signal, deadline]) }).catch(() => undefined);
  if (signal.aborted) throw stopped();
}

function stopped(): KvciError {
  return new KvciError("interrupted", "the download was stopped", {
    hint: "Run the same command again; it goes on where it stopped.",
  });
}

function undelivered({ digest, urls, mirrors, wrong, deadline, tune }: Run): KvciError {
  const evidence = mirrors.map(({ url, failure }) => `${shownUrl(url)}: ${failure?.message ?? "not tried"}`);
  const file = shownUrl(urls[0] ?? "");
  if (wrong !== undefined) {
    return new KvciError("digest-mismatch", `${file} does not have the digest it should have`, {
      hint: "The file behind the URL was replaced, or a mirror is damaged. Run `kvci-build lock` to resolve the image anew, and look at what changes.",
      evidence: [`expected ${digest}`, `actual   ${wrong}`, ...evidence],
    });
  }
  const late = deadline.aborted ? ` within ${String(tune.deadlineMs / 1000)} s` : "";
  return new KvciError("download-failed", `no mirror delivered ${file}${late}`, {
    hint: "Check the network and the proxy (HTTPS_PROXY, or the environment's), or add a mirror to the environment. What was fetched is kept.",
    evidence,
  });
}

/** Progress at most ten times a second, and once at the end. */
function progressReporter({ journal, name, urls }: DownloadRequest, file: PartialFile): () => void {
  const shown =
    name ??
    shownUrl(urls[0] ?? "")
      .split("/")
      .at(-1) ??
    "download";
  let lastAt = -Infinity;
  return () => {
    const now = performance.now();
    const totalBytes = file.totalBytes ?? 0;
    if (now - lastAt < PROGRESS_EVERY_MS && !file.isComplete) return;
    lastAt = now;
    journal.emit({ type: "transfer", name: shown, doneBytes: file.doneBytes, totalBytes });
  };
}
