/**
 * A registry's front on loopback, before a real one: counts requests and bytes, has the referrers API where it is wanted, refuses
 * mounts, throttles, and loses replies after the registry has done what was asked.
 */
import { readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { RegistryWorld } from "../../world/registry.ts";
import type { ReferrersApi } from "./referrers-api.ts";

/** A request that had credentials, and what became of it. */
export interface FrontRequest {
  readonly method: string;
  readonly path: string;
  /** Milliseconds since the front began. */
  readonly atMs: number;
  bodyBytes: number;
  status: number;
}

export type FrontFault =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The registry does it, and its answer is lost. */
  | { readonly kind: "lost-reply" }
  /** An upload is begun instead of a mount. */
  | { readonly kind: "no-mount" };

export class RegistryFront implements AsyncDisposable {
  /** `localhost:PORT`. */
  readonly host: string;
  readonly requests: FrontRequest[] = [];
  /** With it, manifests with a subject are listed by `/referrers/`, and putting one is answered by OCI-Subject. */
  referrers: ReferrersApi | undefined;
  /** Asked about each request with credentials, with how often that method and path came. */
  fault: (asked: FrontRequest, count: number) => FrontFault | undefined = () => undefined;
  readonly #server: Server;
  /** When it did, by `performance.now()`. */
  readonly begun = performance.now();

  private constructor(server: Server) {
    this.#server = server;
    this.host = `localhost:${String((server.address() as AddressInfo).port)}`;
  }

  static async start(world: RegistryWorld): Promise<RegistryFront> {
    const cert = await readFile(world.certificate);
    const server = createServer({ key: await readFile(join(world.folder, "tls.key")), cert });
    const agent = new Agent({ keepAlive: true, ca: cert });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const front = new RegistryFront(server);
    server.on("request", (asked: IncomingMessage, answer: ServerResponse) => {
      void front.#take(asked, answer, { port: world.port, agent });
    });
    server.once("close", () => agent.destroy());
    return front;
  }

  /** Requests that change something, or would. */
  get mutations(): readonly FrontRequest[] {
    return this.requests.filter(({ method }) => !["GET", "HEAD"].includes(method));
  }

  /** Bytes of blobs that were sent here. */
  get blobBytes(): number {
    return this.mutations.filter(({ path }) => path.includes("/blobs/")).reduce((sum, each) => sum + each.bodyBytes, 0);
  }

  reset(): void {
    this.requests.length = 0;
    this.fault = () => undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(
    asked: IncomingMessage,
    answer: ServerResponse,
    to: { readonly port: number; readonly agent: Agent },
  ): Promise<void> {
    const noted = this.#noted(asked);
    const { fault } = noted;
    if (fault?.kind === "answer") {
      noted.request.status = fault.status;
      asked.resume();
      answer.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    const { method, path } = noted.request;
    const listed = noted.isKnown ? this.referrers?.listing(method, path) : undefined;
    if (listed !== undefined) {
      asked.resume();
      noted.request.status = 200;
      answer.writeHead(200, { "content-type": "application/vnd.oci.image.index.v1+json" }).end(listed);
      return;
    }
    const body = this.referrers?.watches(method, path) === true ? await bytesOf(asked) : undefined;
    this.#passOn({ asked, answer, body }, noted, to);
  }

  #noted(asked: IncomingMessage): Noted {
    const { method = "GET", url: path = "/", headers } = asked;
    const noted: FrontRequest = { method, path, atMs: performance.now() - this.begun, bodyBytes: 0, status: 0 };
    const isKnown = headers.authorization !== undefined;
    if (isKnown) this.requests.push(noted);
    asked.on("data", (piece: Buffer) => (noted.bodyBytes += piece.length));
    const count = this.requests.filter((each) => each.method === method && each.path === path).length;
    return { request: noted, isKnown, fault: isKnown ? this.fault(noted, count) : undefined };
  }

  #passOn(
    {
      asked,
      answer,
      body,
    }: { readonly asked: IncomingMessage; readonly answer: ServerResponse; readonly body: Buffer | undefined },
    { request: noted, fault }: Noted,
    to: { readonly port: number; readonly agent: Agent },
  ): void {
    const { method } = noted;
    const path = fault?.kind === "no-mount" ? noted.path.replace(/\?.*/, "") : noted.path;
    const { headers } = asked;
    const onward = request({ host: "127.0.0.1", servername: "localhost", ...to, method, path, headers }, (reply) => {
      noted.status = reply.statusCode ?? 0;
      if (fault?.kind === "lost-reply") {
        reply.resume().on("end", () => answer.destroy());
        return;
      }
      const extra = this.referrers?.seen({ method, path, status: noted.status, body }) ?? {};
      answer.writeHead(noted.status, { ...reply.headers, ...extra });
      reply.pipe(answer);
    });
    onward.on("error", () => answer.destroy());
    if (body) onward.end(body);
    else asked.pipe(onward);
  }
}

interface Noted {
  readonly request: FrontRequest;
  /** It had credentials. */
  readonly isKnown: boolean;
  readonly fault: FrontFault | undefined;
}

/** Writes the auth file for these fronts, with the registry's own account or another. */
export async function frontAuthFile(
  path: string,
  fronts: readonly RegistryFront[],
  credentials: string,
): Promise<string> {
  const auth = Buffer.from(credentials).toString("base64");
  const auths = Object.fromEntries(fronts.map(({ host }) => [host, { auth }]));
  await writeFile(path, JSON.stringify({ auths }), { mode: 0o600 });
  return path;
}

async function bytesOf(asked: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of asked as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}
