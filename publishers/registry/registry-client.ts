import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Digest } from "../../src/core/digest.ts";
import { retrying } from "../../src/publish/retry.ts";
import { grantsPush, RegistryAuth, TokenTrouble, type Scope } from "./registry-auth.ts";
import {
  classifier,
  deniedError,
  errorsIn,
  isMismatch,
  isPassing,
  MISMATCH_TRIES,
  passingAnswer,
} from "./registry-failure.ts";
import { headerOf, type Connections, type HttpReply } from "./registry-http.ts";
import { loginVariables, type RegistryLogin } from "./registry-login.ts";
import { apiHost, type RegistryPlace } from "./registry-place.ts";

export interface ClientPorts {
  readonly connections: Connections;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since some time, for the clock of Retry-After dates. */
  readonly now: () => number;
  /** Milliseconds that throttling is waited out; and other trouble, which is over soon or not at all. */
  readonly deadlineMs: number;
  readonly patienceMs: number;
}

export interface RegistryCall {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** Below `/v2/`, or a whole URL that the registry gave us. */
  readonly path: string;
  readonly scopes: readonly Scope[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
  /** What is done, for messages: `pushing to org/name`. */
  readonly what: string;
}

const REDIRECTS = [301, 302, 303, 307, 308];
const MAX_REDIRECTS = 3;

/**
 * Speaks to one repository of a registry: challenges are answered, what passes is waited out, a Retry-After in full. Any other
 * answer is the caller's to read.
 */
export class RegistryClient {
  readonly place: RegistryPlace;
  readonly login: RegistryLogin | undefined;
  /** Until the registry refuses one. */
  takesChunks = true;
  readonly #base: URL;
  readonly #auth: RegistryAuth;
  readonly #ports: ClientPorts;

  constructor(
    place: RegistryPlace,
    of: { readonly login: RegistryLogin | undefined; readonly insecure: boolean },
    ports: ClientPorts,
  ) {
    this.place = place;
    this.login = of.login;
    this.#base = new URL(`${of.insecure ? "http" : "https"}://${apiHost(place.host)}/v2/`);
    this.#auth = new RegistryAuth({ ...of, http: ports.connections.http });
    this.#ports = ports;
  }

  /** The same repository without credentials: what everybody sees. */
  anonymous(): RegistryClient {
    const insecure = this.#base.protocol === "http:";
    return new RegistryClient(this.place, { login: undefined, insecure }, this.#ports);
  }

  /** What reading asks of a token server: pushing, too, where we may, so that one token does for all. */
  get reading(): readonly Scope[] {
    return [{ repository: this.place.repository, actions: this.login ? "pull,push" : "pull" }];
  }

  /** Whether access is by tokens, which expire. */
  get usesTokens(): boolean {
    return this.#auth.known(this.reading)?.startsWith("Bearer ") === true;
  }

  /** Whether the credentials grant pushing; undefined where the registry does not tell without a push. */
  mayPush(): boolean | undefined {
    return grantsPush(this.#auth.known(this.reading), this.place.repository);
  }

  /**
   * @throws {KvciError} `publish-denied`; `publish-throttled`, `publish-failed` past the deadlines; `interrupted`.
   */
  async call(call: RegistryCall): Promise<HttpReply> {
    const reply = await this.ask(call);
    if (reply.status !== 401 && reply.status !== 403) return reply;
    throw this.#denied(call, reply);
  }

  /** As `call`, but being refused is an answer, too. */
  async ask(call: RegistryCall): Promise<HttpReply> {
    const { host } = this.place;
    let mismatches = 0;
    const once = async (): Promise<HttpReply> => {
      const reply = await this.#once(call);
      if (!isMismatch(errorsIn(reply)) || (mismatches += 1) === MISMATCH_TRIES) return reply;
      throw passingAnswer(call.what, reply, this.#ports.now());
    };
    return retrying(once, {
      what: `${host}: ${call.what}`,
      deadlineMs: this.#ports.deadlineMs,
      signal: call.signal,
      classify: classifier(host, { patienceMs: this.#ports.patienceMs, clock: () => performance.now() }),
    });
  }

  /** Passes a request on as it is, with our credentials; any answer is the caller's. A body that streams is sent once only. */
  async forward(
    call: Omit<RegistryCall, "body" | "what"> & { readonly body: Uint8Array | Readable | undefined },
  ): Promise<IncomingMessage> {
    const { method, path, headers, scopes, body, signal } = call;
    const url = this.urlOf(path);
    const send = (authorization: string | undefined): Promise<IncomingMessage> => {
      const isOwn = url.origin === this.#base.origin;
      const all = { ...headers, ...(authorization === undefined || !isOwn ? {} : { authorization }) };
      return this.#ports.connections.stream({ method, url, headers: all, body, signal });
    };
    const first = await send(this.#auth.known(scopes));
    if (first.statusCode !== 401 || body instanceof Readable) return first;
    first.resume();
    const challenged = { status: 401, headers: first.headers, body: Buffer.alloc(0) };
    const header = await this.#auth.answer(challenged, scopes, signal);
    return header === undefined ? first : send(header);
  }

  /** What Quay's own API has on the repository. @returns undefined without a token for it. */
  async quayRepository(signal: AbortSignal): Promise<HttpReply | undefined> {
    const { host, repository } = this.place;
    const token = this.#ports.env[loginVariables(host).token];
    if (!token) return undefined;
    const url = new URL(`/api/v1/repository/${repository}?includeTags=false`, this.#base);
    return this.#ports.connections.http({ method: "GET", url, headers: { authorization: `Bearer ${token}` }, signal });
  }

  #denied(call: RegistryCall, reply: HttpReply): Error {
    const evidence = [`HTTP ${reply.status}`, ...errorsIn(reply)];
    return deniedError(call.what, this.place.host, { login: this.login, env: this.#ports.env, evidence });
  }

  async #once(call: RegistryCall): Promise<HttpReply> {
    try {
      const first = await this.#send(call, this.#auth.known(call.scopes));
      if (first.status !== 401) return this.#settled(call, first);
      const header = await this.#auth.answer(first, call.scopes, call.signal);
      return header === undefined ? first : this.#settled(call, await this.#send(call, header));
    } catch (error) {
      throw error instanceof TokenTrouble ? passingAnswer(call.what, error.reply, this.#ports.now()) : error;
    }
  }

  #settled({ what }: RegistryCall, reply: HttpReply): HttpReply {
    if (isPassing(reply.status)) throw passingAnswer(what, reply, this.#ports.now());
    return reply;
  }

  /** Follows reads to where they lead; credentials go to the registry's own host only. */
  async #send(call: RegistryCall, authorization: string | undefined): Promise<HttpReply> {
    let url = this.urlOf(call.path);
    for (let hop = 0; ; hop += 1) {
      const credentials = authorization !== undefined && url.origin === this.#base.origin ? { authorization } : {};
      const { method, headers, body, signal } = call;
      const reply = await this.#ports.connections.http({
        method,
        url,
        headers: { ...headers, ...credentials },
        body,
        signal,
      });
      const location = headerOf(reply, "location");
      const isFollowed = method === "GET" && REDIRECTS.includes(reply.status) && location !== undefined;
      if (!isFollowed || hop === MAX_REDIRECTS) return reply;
      url = new URL(location, url);
    }
  }

  /** A path below `/v2/`, or what a Location says. */
  urlOf(path: string): URL {
    return new URL(path, this.#base);
  }
}

/** A manifest as a registry gave it. */
export interface FoundManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}
