import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { HttpAnswer } from "../base/http-request.ts";
import { MirrorFailed } from "../base/mirror-failed.ts";
import { shownUrl } from "../base/shown-url.ts";
import type { Upstream } from "../base/upstream.ts";
import type { Journal } from "../core/journal.ts";
import { relayProgress, type RelayProgress } from "./relay-progress.ts";
import { Refused, relayTarget } from "./relay-target.ts";
import { Turns } from "./turns.ts";
import { askUpstream, isStopped, type Asked } from "./upstream-answer.ts";

export interface RelayTuning {
  /** Milliseconds without a byte after which a server counts as stalled. */
  readonly idleMs: number;
  /** Milliseconds for a whole file. */
  readonly requestMs: number;
  /** Milliseconds that the other side may take to read what it asked for; a guest stands still while its memory is saved. */
  readonly readMs: number;
  /** Requests that are answered at once. Package managers ask for a few dozen ahead. */
  readonly atOnce: number;
}

const TUNING: RelayTuning = { idleMs: 30_000, requestMs: 2 * 3_600_000, readMs: 10 * 60_000, atOnce: 16 };
/** A build has one guest, and its package manager a connection for each server and some more. */
const MOST_CONNECTIONS = 256;

export interface RelayOptions {
  readonly upstream: Upstream;
  /** URLs on servers that may be on this host although no mirror of `upstream` leads there. Default: none. */
  readonly named?: readonly string[] | undefined;
  /** This process goes out by proxies, which look names up. */
  readonly proxied: boolean;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly tuning?: Partial<RelayTuning> | undefined;
}

/** Fetches for guests that get out by kvci-build alone. */
export interface Relay extends AsyncDisposable {
  /** TCP port on 127.0.0.1. */
  readonly port: number;
}

/**
 * Starts an HTTP server on the loopback: `GET /https/host/path` is `https://host/path`, from the first place of the environment
 * that has it, by this process's proxies and certificates. Takes GET and HEAD, hands on what caches ask with, no credentials.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const progress = relayProgress(options.journal);
  const work: Work = { ...options, signal, tune: { ...TUNING, ...options.tuning }, progress };
  const turns = new Turns(work.tune.atOnce);
  const server = createServer({ requestTimeout: 60_000, keepAliveTimeout: 60_000 }, (request, response) => {
    void turns.run(() => answer(request, response, work));
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.timeout = work.tune.readMs;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await closed(server);
      progress.close();
    },
  };
}

interface Work extends RelayOptions {
  readonly tune: RelayTuning;
  readonly progress: RelayProgress;
}

async function closed(server: Server): Promise<void> {
  const end = once(server, "close");
  server.close();
  server.closeAllConnections();
  await end;
}

/** Never rejects: whatever happens is told to the guest or, where the answer has begun, ends it early. */
async function answer(request: IncomingMessage, response: ServerResponse, work: Work): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  if (response.closed) return;
  const asked = askedFor(request);
  if (asked instanceof Refused) {
    refuse(response, asked);
    return;
  }
  const { requestMs } = work.tune;
  const deadline = AbortSignal.timeout(requestMs);
  const signal = AbortSignal.any([work.signal, gone.signal, deadline]);
  work.progress.begin();
  try {
    await pass(asked, response, { ...work, signal });
  } catch (error) {
    const late = new MirrorFailed(`it did not come within ${requestMs / 1000} s`);
    fail(asked, response, { work, error: deadline.aborted ? late : error });
  } finally {
    work.progress.end();
  }
}

/** What an answer may depend on; everything else, such as credentials, stays behind. */
const REQUEST_HEADERS = ["range", "if-range", "if-none-match", "if-modified-since", "cache-control"] as const;
const ANSWER_HEADERS = [
  "accept-ranges",
  "cache-control",
  "content-range",
  "content-type",
  "etag",
  "expires",
  "last-modified",
  "retry-after",
] as const;

function askedFor({ method, url = "", headers }: IncomingMessage): Asked | Refused {
  if (method !== "GET" && method !== "HEAD") return new Refused(405, "only GET and HEAD are relayed");
  const target = relayTarget(url);
  if (target instanceof Refused) return target;
  const passed = REQUEST_HEADERS.flatMap((name) => {
    const value = headers[name];
    return typeof value === "string" ? [[name, value] as const] : [];
  });
  return { method, url: target, headers: Object.fromEntries(passed) };
}

async function pass(asked: Asked, response: ServerResponse, work: Work): Promise<void> {
  const { upstream, named = [], proxied, journal, signal, tune } = work;
  const found = await askUpstream(asked, { upstream, named, proxied, journal, signal, idleMs: tune.idleMs });
  if (found instanceof Refused) {
    refuse(response, found);
    return;
  }
  try {
    response.writeHead(found.status, answerHeaders(found));
    // Said at once: what follows may take its time.
    response.flushHeaders();
    if (asked.method === "GET") await copy(found, response, work);
    response.end();
  } finally {
    await found.discard();
  }
}

function answerHeaders({ headers }: HttpAnswer): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of ANSWER_HEADERS) {
    const value = headers.get(name);
    if (value !== null) passed[name] = value;
  }
  const length = headers.get("content-length");
  // What was compressed on the way is longer by now.
  if (length !== null && !headers.has("content-encoding")) passed["content-length"] = length;
  return passed;
}

async function copy(found: HttpAnswer, response: ServerResponse, { progress, signal }: Work): Promise<void> {
  for await (const piece of found.pieces()) {
    progress.add(piece.length);
    if (!response.write(piece)) await once(response, "drain", { signal });
  }
}

function fail(asked: Asked, response: ServerResponse, { work, error }: { work: Work; error: unknown }): void {
  const wanted = shownUrl(asked.url.href);
  const reason = error instanceof Error ? error.message : String(error);
  // The guest has gone, or the build ends: nobody is left to be told.
  const unwanted = work.signal.aborted || response.closed || isStopped(error);
  if (!unwanted) work.journal.emit({ type: "mirror-failed", url: wanted, reason });
  if (response.headersSent || unwanted) response.destroy();
  else refuse(response, new Refused(502, `cannot fetch ${wanted}: ${reason}`));
}

/** Package managers show the status line only, so it tells what is wrong. */
function refuse(response: ServerResponse, { status, reason }: Refused): void {
  const line = reason
    .replaceAll("…", "...")
    .replace(/[^\x20-\x7e]+/g, " ")
    .slice(0, 400);
  response.writeHead(status, line, { "content-type": "text/plain; charset=utf-8" }).end(`${line}\n`);
}
