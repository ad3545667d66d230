import type { ByteRange } from "./byte-ranges.ts";
import { httpGet, isPassing, retryAfterMs, type HttpAnswer } from "./http-request.ts";
import { MirrorFailed } from "./mirror-failed.ts";
import type { PartialFile } from "./partial-file.ts";

export interface SessionOptions {
  readonly url: string;
  readonly file: PartialFile;
  readonly signal: AbortSignal;
  readonly connections: number;
  readonly chunkBytes: number;
  readonly idleMs: number;
  /**
   * No other mirror is better: read the file from its start when the server has no ranges, although part of it is here
   * already, and pass over ETags that differ, as those of servers behind one name do. The digest decides in the end.
   */
  readonly lastResort: boolean;
  readonly onProgress: () => void;
}

/** What the first answer told about the file; the others must tell the same. */
interface Served {
  /** Where redirects ended: asking there again keeps all ranges on one server. */
  readonly url: string;
  readonly etag: string | null;
}

/**
 * Fetches everything that is missing in `file` from one mirror: with ranges over several connections where the server
 * has them, else as one stream. What arrived stays in the file, however it ends.
 *
 * @throws {MirrorFailed} when this mirror cannot deliver the rest.
 * @throws {KvciError} `interrupted`, `store-full`, `store-unusable`.
 */
export async function fetchFromMirror(options: SessionOptions): Promise<void> {
  const { file } = options;
  const [first] = file.missing(options.chunkBytes);
  if (first === undefined) return;
  const answer = await ask(options, options.url, first);
  try {
    if (answer.status === 200) {
      await takeWhole(options, answer);
    } else {
      await takeRanges(options, answer, first);
    }
  } finally {
    await answer.discard();
    await file.save();
  }
}

async function ask(options: SessionOptions, url: string, range: ByteRange): Promise<HttpAnswer> {
  const headers = { range: `bytes=${String(range.start)}-${String(range.end - 1)}` };
  const answer = await httpGet({ url, headers, signal: options.signal, idleMs: options.idleMs });
  const reason = refusal(answer);
  if (reason === undefined) return answer;
  await answer.discard();
  throw new MirrorFailed(reason, {
    forGood: !isPassing(answer.status) && answer.status !== 416,
    retryAfterMs: retryAfterMs(answer.headers, new Date()),
    otherLength: answer.status === 416,
  });
}

function refusal({ status, headers }: HttpAnswer): string | undefined {
  if (status === 416) return "the file is shorter there";
  if (status !== 200 && status !== 206) return `HTTP ${String(status)}`;
  const encoding = headers.get("content-encoding") ?? "identity";
  return encoding === "identity" ? undefined : `the server changes the bytes on the way (${encoding})`;
}

async function takeWhole(options: SessionOptions, answer: HttpAnswer): Promise<void> {
  const { file } = options;
  if (file.doneBytes > 0 && !options.lastResort) {
    throw new MirrorFailed("the server cannot go on in the middle (no ranges)");
  }
  const length = answer.headers.get("content-length");
  if (length !== null) await agreeOnTotal(file, Number(length));
  let position = 0;
  let saved = 0;
  for await (const piece of answer.pieces()) {
    if (file.totalBytes !== undefined && position + piece.length > file.totalBytes) {
      throw new MirrorFailed("more bytes came than the file has", { otherLength: true });
    }
    await file.write(piece, position);
    position += piece.length;
    options.onProgress();
    if (position - saved < options.chunkBytes) continue;
    saved = position;
    await file.save();
  }
  // Without Content-Length the end of the stream is all there is to know the length by; the digest decides.
  await agreeOnTotal(file, position);
}

async function takeRanges(options: SessionOptions, answer: HttpAnswer, first: ByteRange): Promise<void> {
  const { start, totalBytes } = contentRange(answer);
  if (start !== first.start) throw new MirrorFailed("the server sent another range than was asked for");
  await agreeOnTotal(options.file, totalBytes);
  const queue = options.file.missing(options.chunkBytes);
  const served: Served = { url: answer.url, etag: answer.headers.get("etag") };
  const stop = new AbortController();
  const shared = { ...options, signal: AbortSignal.any([options.signal, stop.signal]) };
  let failure: { readonly error: unknown } | undefined;
  const connection = async (opened?: HttpAnswer): Promise<void> => {
    try {
      for (let range = queue.shift(), open = opened; range; range = queue.shift(), open = undefined) {
        await takeRange(shared, { served, range, open });
      }
    } catch (error) {
      // The first error counts; the others only say that they were stopped.
      failure ??= { error };
      stop.abort();
    }
  };
  const others = Math.min(options.connections, queue.length) - 1;
  await Promise.all([connection(answer), ...Array.from({ length: Math.max(0, others) }, () => connection())]);
  if (failure) throw failure.error;
}

/** One chunk, in as many answers as it takes: a server may send less than was asked for. */
async function takeRange(
  options: SessionOptions,
  {
    served,
    range,
    open,
  }: { readonly served: Served; readonly range: ByteRange; readonly open: HttpAnswer | undefined },
): Promise<void> {
  let position = range.start;
  let answer = open;
  while (position < range.end) {
    answer ??= await askAgain(options, served, { start: position, end: range.end });
    const before = position;
    for await (const piece of answer.pieces()) {
      if (position + piece.length > range.end) throw new MirrorFailed("more bytes came than were asked for");
      await options.file.write(piece, position);
      position += piece.length;
      options.onProgress();
    }
    if (position === before) throw new MirrorFailed("the server sent an empty answer");
    answer = undefined;
  }
  await options.file.save();
}

async function askAgain(options: SessionOptions, served: Served, range: ByteRange): Promise<HttpAnswer> {
  // Credentials of the first URL stay with its origin; the redirect's target has its own or needs none.
  const sameOrigin = new URL(served.url).origin === new URL(options.url).origin;
  const answer = await ask(options, sameOrigin ? options.url : served.url, range);
  const reason = answer.status === 206 ? changed(options, served, answer) : "the server stopped answering with ranges";
  if (reason === undefined && contentRange(answer).start === range.start) return answer;
  await answer.discard();
  throw new MirrorFailed(reason ?? "the server sent another range than was asked for");
}

function changed({ file, lastResort }: SessionOptions, served: Served, answer: HttpAnswer): string | undefined {
  const same =
    contentRange(answer).totalBytes === file.totalBytes && (lastResort || answer.headers.get("etag") === served.etag);
  return same ? undefined : "the file changed while it was read";
}

function contentRange({ headers }: HttpAnswer): { readonly start: number; readonly totalBytes: number } {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(headers.get("content-range") ?? "");
  if (match) return { start: Number(match[1]), totalBytes: Number(match[3]) };
  throw new MirrorFailed("the server does not say which range it sends", { forGood: true });
}

async function agreeOnTotal(file: PartialFile, totalBytes: number): Promise<void> {
  if (file.totalBytes === totalBytes) return;
  if (file.totalBytes === undefined) {
    await file.setTotal(totalBytes);
    return;
  }
  throw new MirrorFailed(`the file has ${String(totalBytes)} bytes there, not ${String(file.totalBytes)}`, {
    otherLength: true,
  });
}
