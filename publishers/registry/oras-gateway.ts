import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline, Readable, Transform } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { KvciError, messageOf } from "../../src/core/error.ts";
import { chunksOf, sendInChunks, withDigest } from "./chunked-upload.ts";
import { joined, partsOf, passedOn, stillOpen, withoutDigest } from "./gateway-request.ts";
import type { RegistryCall, RegistryClient } from "./registry-client.ts";
import { errorsIn, isPassing, retryAfterMs } from "./registry-failure.ts";
import { headerOf, readBody, type HttpReply } from "./registry-http.ts";

export interface GatewayPorts {
  readonly now: () => number;
  /** Milliseconds that the registry may have us wait, in all; and that other trouble may take. */
  readonly deadlineMs: number;
  readonly patienceMs: number;
  /** Larger blobs are sent in pieces of this length. Default: 8 MiB. */
  readonly chunkBytes?: number | undefined;
  readonly signal: AbortSignal;
  /** Told whenever the registry asks to wait. */
  readonly onWait: (waitMs: number) => void;
}

/** An answer that ended something. */
export interface Refusal {
  readonly method: string;
  readonly status: number;
  readonly afterMs: number | undefined;
  readonly errors: readonly string[];
}

interface Outgoing {
  readonly method: RegistryCall["method"];
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | Readable | undefined;
}

const USER = "oras";
/** Memory holds one of each upload, and oras has three under way. */
const CHUNK_BYTES = 8 * 1024 * 1024;
/** oras tries nothing again after this one. */
const GIVEN_UP: HttpReply = { status: 400, headers: {}, body: Buffer.alloc(0) };
/** Headers of answers that are this gateway's affair, as how long to wait is. */
const KEPT_HEADERS = new Set(["retry-after", "www-authenticate", "connection", "keep-alive", "transfer-encoding"]);
/** Longer than oras leaves a connection unused: one that closes just then would fail a request. */
const KEEP_ALIVE_MS = 10 * 60_000;
const UNTOLD_WAIT_MS = 1_000;
const LONGEST_UNTOLD_MS = 30_000;

/**
 * Stands between oras and a registry, on loopback. oras waits 3 s at most whatever a registry asks for, tells nothing of the bytes
 * it has sent, and takes credentials from files only; here every request waits until the registry wants one, bytes are counted,
 * and credentials stay in this process: oras has a password of its own that is good for this gateway alone.
 */
export class OrasGateway implements AsyncDisposable {
  /** `127.0.0.1:PORT`, in plain HTTP. */
  readonly host: string;
  readonly password: string;
  /** Bytes that arrived, by digest of the blob. */
  readonly sent = new Map<string, number>();
  /** Blobs that the registry took. */
  readonly taken = new Set<string>();
  /** The last answer that was no success, leaving out what is usual. */
  refused: Refusal | undefined;
  /** What broke between here and the registry. */
  broken: unknown;
  readonly #client: RegistryClient;
  readonly #server: Server;
  readonly #ports: GatewayPorts;
  readonly #closing = new AbortController();
  readonly #signal: AbortSignal;
  #notBefore = 0;
  #waitedMs = 0;
  /** The registry wants more patience than there is. */
  #gaveUp = false;

  private constructor(server: Server, client: RegistryClient, ports: GatewayPorts & { readonly password: string }) {
    this.#server = server;
    this.#client = client;
    this.#ports = ports;
    this.#signal = AbortSignal.any([ports.signal, this.#closing.signal]);
    this.password = ports.password;
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (asked: IncomingMessage, answer: ServerResponse) => {
      this.#take(asked, answer).catch((error: unknown) => {
        this.broken = error;
        // What is final here is so for oras, which would try again after a broken connection.
        this.#gaveUp ||= error instanceof KvciError;
        if (this.#gaveUp && !answer.headersSent) answer.writeHead(GIVEN_UP.status).end();
        else answer.destroy();
      });
    });
  }

  static async start(client: RegistryClient, ports: GatewayPorts): Promise<OrasGateway> {
    // A disk may take hours; what is stuck is found by the connection to the registry.
    const server = createServer({ requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    return new OrasGateway(server, client, { ...ports, password: randomBytes(24).toString("hex") });
  }

  /** The file that lets oras in. */
  get authFile(): string {
    return JSON.stringify({
      auths: { [this.host]: { auth: Buffer.from(`${USER}:${this.password}`).toString("base64") } },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What oras no longer waits for is not asked of the registry any more.
    this.#closing.abort();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #take(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method, path, digest } = partsOf(asked);
    if (!this.#isOras(asked)) {
      asked.resume();
      answer.writeHead(401, { "www-authenticate": 'Basic realm="kvci-build"' }).end();
      return;
    }
    const reply =
      digest === undefined
        ? await this.#small({ method, path, headers: passedOn(asked), body: await readBody(asked) })
        : await this.#blob(asked, { path, digest });
    this.#passBack(reply, answer, { method, digest });
  }

  /** What oras would not wait out is waited out here. */
  async #small(request: Outgoing): Promise<HttpReply> {
    for (let attempt = 0; ; attempt += 1) {
      const reply = await this.#send(request, attempt);
      if (reply.status !== 429 || this.#gaveUp) return reply;
    }
  }

  async #blob(
    asked: IncomingMessage,
    { path, digest }: { readonly path: string; readonly digest: string },
  ): Promise<HttpReply> {
    const { chunkBytes = CHUNK_BYTES } = this.#ports;
    const bytes = this.#counted(asked, digest);
    const isLong = Number(asked.headers["content-length"] ?? 0) > chunkBytes;
    if (!isLong || !this.#client.takesChunks) return this.#whole({ path, headers: passedOn(asked), body: bytes });
    const chunks = chunksOf(bytes, chunkBytes);
    const { host, repository } = this.#client.place;
    const { deadlineMs, patienceMs, now } = this.#ports;
    const ended = await sendInChunks({
      ...{ host, repository, digest, chunks: stillOpen(chunks), deadlineMs, patienceMs, now, signal: this.#signal },
      location: withoutDigest(path),
      send: ({ headers = {}, body, ...request }) => this.#send({ ...request, headers, body }, 0),
    });
    if ("reply" in ended) return ended.reply;
    this.#client.takesChunks = false;
    const begun = await this.#small({
      method: "POST",
      path: `${repository}/blobs/uploads/`,
      headers: {},
      body: undefined,
    });
    const location = headerOf(begun, "location");
    if (begun.status !== 202 || location === undefined) return begun;
    const body = Readable.from(joined(ended.notTaken, chunks), { objectMode: false });
    return this.#whole({ path: withDigest(location, digest), headers: passedOn(asked), body });
  }

  /** In one request, which can be sent once only: its token has to be good before. */
  async #whole({ headers, ...request }: Omit<Outgoing, "method"> & { readonly body: Readable }): Promise<HttpReply> {
    await this.#freshToken(headers["content-length"]);
    return this.#send({ method: "PUT", headers, ...request }, 0);
  }

  async #send({ method, path, headers, body }: Outgoing, attempt: number): Promise<HttpReply> {
    await this.#untilWanted();
    if (this.#gaveUp) return GIVEN_UP;
    const scopes = [{ repository: this.#client.place.repository, actions: "pull,push" as const }];
    const reply = await this.#client.forward({ method, path, headers, scopes, body, signal: this.#signal });
    this.#note(method, reply, attempt);
    return { status: reply.statusCode ?? 502, headers: reply.headers, body: await readBody(reply) };
  }

  #isOras({ headers: { authorization = "" } }: IncomingMessage): boolean {
    const wanted = Buffer.from(`Basic ${Buffer.from(`${USER}:${this.password}`).toString("base64")}`);
    const given = Buffer.from(authorization);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  async #freshToken(length: string | undefined): Promise<void> {
    if (!this.#client.usesTokens || Number(length ?? 0) < 1024 * 1024) return;
    const { reading: scopes, place } = this.#client;
    const what = `pushing to ${place.repository}`;
    await this.#client.ask({ method: "GET", path: "", scopes, what, signal: this.#signal });
  }

  #counted(asked: IncomingMessage, digest: string): Readable {
    this.sent.set(digest, 0);
    const count = new Transform({
      highWaterMark: 1024 * 1024,
      transform: (piece: Buffer, _encoding, done) => {
        this.sent.set(digest, (this.sent.get(digest) ?? 0) + piece.length);
        done(null, piece);
      },
    });
    return pipeline(asked, count, () => undefined);
  }

  async #untilWanted(): Promise<void> {
    for (;;) {
      const waitMs = this.#notBefore - this.#ports.now();
      if (waitMs <= 0) return;
      await sleep(waitMs, undefined, { signal: this.#signal });
    }
  }

  #note(method: string, reply: IncomingMessage, attempt: number): void {
    const after = retryAfterMs(reply.headers["retry-after"], this.#ports.now());
    if (reply.statusCode !== 429 && after === undefined) return;
    const waitMs = after ?? Math.min(LONGEST_UNTOLD_MS, UNTOLD_WAIT_MS * 2 ** attempt);
    const now = this.#ports.now();
    const until = now + waitMs;
    if (until <= this.#notBefore) return;
    this.refused = { method, status: reply.statusCode ?? 0, afterMs: waitMs, errors: [] };
    const added = until - Math.max(this.#notBefore, now);
    // To wait in vain helps nobody: from here on oras is refused, so that it ends at once.
    this.#gaveUp = this.#waitedMs + added > this.#ports.deadlineMs;
    if (this.#gaveUp) return;
    this.#waitedMs += added;
    this.#notBefore = until;
    this.#ports.onWait(waitMs);
  }

  #passBack(
    reply: HttpReply,
    answer: ServerResponse,
    { method, digest }: { readonly method: string; readonly digest: string | undefined },
  ): void {
    if (this.#gaveUp) return void answer.writeHead(GIVEN_UP.status).end();
    const { status, headers, body } = reply;
    const location = headers.location === undefined ? {} : { location: this.#location(headers.location) };
    if (digest !== undefined && status === 201) this.taken.add(digest);
    this.#judge({ method, status, afterMs: undefined, errors: errorsIn(reply) }, headers["retry-after"]);
    const rest = Object.entries(headers).filter(([name]) => !KEPT_HEADERS.has(name));
    answer.writeHead(status, { ...Object.fromEntries(rest), ...location }).end(body);
  }

  /** What passes is over with the next success; what is refused for good stays, whatever else was under way. */
  #judge(answer: Refusal, retryAfter: string | undefined): void {
    const { method, status } = answer;
    if (isRefusal(method, status)) {
      this.refused = { ...answer, afterMs: retryAfterMs(retryAfter, this.#ports.now()) };
    } else if (status < 400 && isPassing(this.refused?.status ?? 0)) {
      this.refused = undefined;
    }
  }

  /** Uploads go on where they were begun, which is here for whoever came this way. */
  #location(location: string): string {
    const url = this.#client.urlOf(location);
    return url.origin === this.#client.urlOf("").origin ? url.pathname + url.search : location;
  }
}

/** A HEAD that finds nothing is no refusal, nor is an upload that was forgotten. */
function isRefusal(method: string, status: number): boolean {
  return status >= 400 && !(status === 404 && method !== "POST");
}

/** What is known of trouble on the way, for a message. */
export function troubleOf({ refused, broken }: Pick<OrasGateway, "refused" | "broken">): readonly string[] {
  if (refused) return [`${refused.method}: HTTP ${refused.status}`, ...refused.errors];
  return broken === undefined ? [] : [messageOf(broken)];
}
