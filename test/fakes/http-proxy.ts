import { createServer, request as ask, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";

/**
 * A proxy on the loopback that knows names nobody else knows: `names` gives the port on 127.0.0.1 for each `host:port`. It tunnels
 * (CONNECT) and takes requests with whole URLs.
 */
export class HttpProxy implements AsyncDisposable {
  /** What it was asked for, as `CONNECT host:port` or `GET url`. */
  readonly requests: string[] = [];
  readonly #names: ReadonlyMap<string, number>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(names: Readonly<Record<string, number>>) {
    this.#names = new Map(Object.entries(names));
    this.#server = createServer((request, response) => this.#pass(request, response));
    this.#server.on("connect", (request: IncomingMessage, socket: Socket) => this.#tunnel(request.url ?? "", socket));
    this.#server.on("connection", (socket: Socket) => this.#sockets.add(socket));
  }

  static async start(names: Readonly<Record<string, number>>): Promise<HttpProxy> {
    const proxy = new HttpProxy(names);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #tunnel(target: string, socket: Socket): void {
    this.requests.push(`CONNECT ${target}`);
    const port = this.#names.get(target);
    if (port === undefined) {
      socket.end("HTTP/1.1 502 Unknown Host\r\n\r\n");
      return;
    }
    const upstream = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    this.#sockets.add(upstream);
    for (const each of [socket, upstream]) each.on("error", () => each.destroy());
  }

  #pass({ method, url = "", headers }: IncomingMessage, response: ServerResponse): void {
    this.requests.push(`${method ?? ""} ${url}`);
    const target = URL.canParse(url) ? new URL(url) : undefined;
    const port = target && this.#names.get(`${target.hostname}:${target.port || "80"}`);
    if (!target || port === undefined) {
      response.writeHead(502).end("unknown host");
      return;
    }
    const options = { host: "127.0.0.1", port, method, path: `${target.pathname}${target.search}`, headers };
    ask(options, (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers))).end();
  }
}
