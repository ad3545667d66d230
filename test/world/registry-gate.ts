import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request, type Server } from "node:https";
import type { AddressInfo } from "node:net";

/** A request on its way to the registry. */
export interface Passing {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** How often that method and path have been asked for, this time included. */
  readonly count: number;
}

/** What the gate does with a request instead of passing it on. */
export type Fault =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The connection breaks after that many bytes of the answer's body. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** The body's first byte is another. */
  | { readonly kind: "flip" }
  /** Passed on when the promise is kept. */
  | { readonly kind: "hold"; readonly until: Promise<unknown> };

/** A reverse proxy in front of a registry, on a port of its own. */
export class RegistryGate implements AsyncDisposable {
  /** `localhost:PORT`. */
  readonly host: string;
  /** Everything that was asked for, in order, as `GET /v2/…`. */
  readonly requests: string[] = [];
  /** Asked about each request that has credentials; undefined passes it on. */
  fault: (passing: Passing) => Fault | undefined = () => undefined;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.host = `localhost:${String((server.address() as AddressInfo).port)}`;
  }

  static async start(of: {
    readonly port: number;
    readonly key: string;
    readonly certificate: string;
  }): Promise<RegistryGate> {
    const tls = { key: await readFile(of.key), cert: await readFile(of.certificate) };
    const agent = new Agent({ keepAlive: true, ca: tls.cert });
    const server = createServer(tls);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const gate = new RegistryGate(server);
    server.on("request", (incoming: IncomingMessage, answer: ServerResponse) => {
      void gate.#take(incoming, answer, { port: of.port, agent });
    });
    server.once("close", () => agent.destroy());
    return gate;
  }

  /** How many GETs there were of blobs whose path ends like that; of all blobs without. */
  blobRequests(digest = ""): number {
    return this.requests.filter((each) => each.startsWith("GET ") && each.includes("/blobs/") && each.endsWith(digest))
      .length;
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
    incoming: IncomingMessage,
    answer: ServerResponse,
    to: { readonly port: number; readonly agent: Agent },
  ): Promise<void> {
    const { method = "GET", url: path = "/" } = incoming;
    const fault = this.#faultOf(incoming);
    if (fault?.kind === "hold") await fault.until;
    if (fault?.kind === "answer") {
      incoming.resume();
      answer.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    const onward = request(
      {
        host: "127.0.0.1",
        servername: "localhost",
        port: to.port,
        agent: to.agent,
        method,
        path,
        headers: incoming.headers,
      },
      (response) => passBack(response, answer, fault),
    );
    onward.on("error", () => answer.destroy());
    incoming.pipe(onward);
  }

  /** A request without credentials is the question for how to log in: neither counted nor disturbed. */
  #faultOf({ method = "GET", url: path = "/", headers }: IncomingMessage): Fault | undefined {
    if (headers.authorization === undefined) return undefined;
    const line = `${method} ${path}`;
    this.requests.push(line);
    return this.fault({ method, path, count: this.requests.filter((each) => each === line).length });
  }
}

function passBack(response: IncomingMessage, answer: ServerResponse, fault: Fault | undefined): void {
  answer.writeHead(response.statusCode ?? 502, response.headers);
  let sent = 0;
  response.on("data", (piece: Buffer) => {
    if (fault?.kind === "flip" && sent === 0) piece[0] = (piece[0] ?? 0) ^ 0xff;
    sent += piece.length;
    if (fault?.kind === "cut" && sent > fault.afterBytes) {
      answer.write(piece.subarray(0, Math.max(0, piece.length - (sent - fault.afterBytes))), () => answer.destroy());
      response.destroy();
      return;
    }
    answer.write(piece);
  });
  response.on("end", () => answer.end());
  response.on("error", () => answer.destroy());
}
