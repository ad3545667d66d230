import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";

export interface StaticServerOptions {
  /** Sees every request first. @returns whether it has answered; else the file is sent. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
  /** Certificate and key (PEM): the server speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A folder on the loopback; closed on disposal with all its connections. */
export interface StaticServer extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Paths in the order in which they were asked for, decoded, without query. */
  readonly requests: readonly string[];
}

/** Serves `folder` by GET and HEAD, with ranges and dates. */
export async function staticServer(folder: string, options: StaticServerOptions = {}): Promise<StaticServer> {
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(pathOf(request));
    answer(folder, { request, response, intercept: options.intercept }).catch(() => response.destroy());
  };
  const server: Server = options.tls ? createSecureServer(options.tls, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${options.tls ? "https" : "http"}://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function pathOf({ url = "/" }: IncomingMessage): string {
  return decodeURIComponent(new URL(url, "http://localhost").pathname);
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly intercept: StaticServerOptions["intercept"];
}

async function answer(folder: string, { request, response, intercept }: Asked): Promise<void> {
  if (await intercept?.(request, response)) return;
  const file = join(folder, normalize(pathOf(request)));
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) {
    response.writeHead(404, { "content-length": 0 }).end();
    return;
  }
  const modified = new Date(Math.floor(found.mtimeMs / 1000) * 1000);
  const headers = {
    "last-modified": modified.toUTCString(),
    "accept-ranges": "bytes",
    etag: `"${found.size}-${found.mtimeMs}"`,
  };
  const since = request.headers["if-modified-since"];
  if (since !== undefined && request.headers.range === undefined && modified <= new Date(since)) {
    response.writeHead(304, headers).end();
    return;
  }
  await send(file, { size: found.size, headers, request, response });
}

async function send(
  file: string,
  {
    size,
    headers,
    request,
    response,
  }: { readonly size: number; readonly headers: Readonly<Record<string, string>> } & Omit<Asked, "intercept">,
): Promise<void> {
  const { partial, start, end } = wantedRange(request.headers.range, size);
  if (start > end && partial) {
    response.writeHead(416, { "content-range": `bytes */${size}` }).end();
    return;
  }
  const range = partial ? { "content-range": `bytes ${start}-${end}/${size}` } : {};
  response.writeHead(partial ? 206 : 200, { ...headers, ...range, "content-length": end - start + 1 });
  if (request.method === "HEAD" || size === 0) response.end();
  else await pipeline(createReadStream(file, { start, end }), response);
}

/** The first and the last byte to send. */
function wantedRange(header: string | undefined, size: number): { partial: boolean; start: number; end: number } {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === undefined) return { partial: false, start: 0, end: size - 1 };
  const last = to === undefined || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return { partial: true, start: Number(from), end: last };
}
