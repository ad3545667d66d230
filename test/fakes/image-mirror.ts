import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a mirror does wrong. Faults with a count go away after that many answers. */
export interface MirrorFaults {
  /** Answers 200 with everything, whatever range was asked for. */
  noRanges?: boolean;
  /** Answers with this status and no body. */
  status?: number;
  /** How many answers `status` is given to; default all. */
  statusTimes?: number;
  retryAfter?: string;
  /** Closes the connection after this many bytes of a body. */
  cutAfterBytes?: number;
  /** How many answers are cut; default all. */
  cutTimes?: number;
  /** Sends this many bytes of a body and then nothing. */
  stallAfterBytes?: number;
  /** A stream without Content-Length. */
  noLength?: boolean;
  /** Sends at most this many bytes per answer, as an honest 206. */
  mostBytes?: number;
  /** Tells this length of the whole file in Content-Range. */
  claimedBytes?: number;
  /** A new ETag with every answer. */
  newEtags?: boolean;
  /** Redirects to the same path below this URL. */
  redirectTo?: string;
  /** Milliseconds before every answer. */
  delayMs?: number;
  /** Claims that the bytes are compressed. */
  encoding?: string;
}

export interface SeenRequest {
  readonly path: string;
  readonly range: { readonly start: number; readonly end: number } | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A web server on the loopback with files in memory, ranges, and faults; closed on disposal with all its connections. */
export class ImageMirror implements AsyncDisposable {
  readonly files: Map<string, Buffer>;
  readonly faults: MirrorFaults;
  readonly requests: SeenRequest[] = [];
  /** Called with every request, before the answer. */
  onRequest: (request: SeenRequest) => void = () => undefined;
  readonly #server: Server;

  private constructor(files: Readonly<Record<string, Uint8Array | string>>, faults: MirrorFaults) {
    this.files = new Map(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]));
    this.faults = { ...faults };
    this.#server = createServer((request, response) => {
      void this.#answer(request, response);
    });
  }

  static async start(
    files: Readonly<Record<string, Uint8Array | string>>,
    faults: MirrorFaults = {},
  ): Promise<ImageMirror> {
    const mirror = new ImageMirror(files, faults);
    await new Promise<void>((resolve) => mirror.#server.listen(0, "127.0.0.1", resolve));
    return mirror;
  }

  url(path = "/disk.img"): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}${path}`;
  }

  /** Ranges that were asked for, as "start-end" with an exclusive end. */
  get ranges(): string[] {
    return this.requests.map(({ range }) => (range ? `${String(range.start)}-${String(range.end)}` : "all"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    const range = readRange(request.headers.range);
    const seen = { path, range, headers: request.headers };
    this.requests.push(seen);
    this.onRequest(seen);
    if (this.faults.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, this.faults.delayMs));
    const content = this.files.get(path);
    if (this.#refuses(response, path)) return;
    if (!content) response.writeHead(404).end("not here");
    else this.#send(response, { content, range: this.faults.noRanges ? undefined : range });
  }

  #refuses(response: ServerResponse, path: string): boolean {
    const { status, statusTimes = Infinity, retryAfter, redirectTo } = this.faults;
    if (redirectTo !== undefined) {
      response.writeHead(302, { location: `${redirectTo}${path}` }).end();
      return true;
    }
    if (status === undefined || statusTimes <= 0) return false;
    this.faults.statusTimes = statusTimes - 1;
    response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter }).end();
    return true;
  }

  #send(response: ServerResponse, { content, range }: { content: Buffer; range: SeenRequest["range"] }): void {
    if (!range) {
      response.writeHead(200, this.#headers(content));
      this.#sendBody(response, content);
      return;
    }
    const { mostBytes = Infinity, claimedBytes = content.length } = this.faults;
    if (range.start >= content.length) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
      return;
    }
    const body = content.subarray(range.start, Math.min(range.end, range.start + mostBytes));
    const last = range.start + body.length - 1;
    response.writeHead(206, {
      ...this.#headers(body),
      "content-range": `bytes ${range.start}-${last}/${claimedBytes}`,
    });
    this.#sendBody(response, body);
  }

  #headers(body: Buffer): Record<string, string | number> {
    const { noLength, newEtags, encoding } = this.faults;
    return {
      etag: newEtags ? `"${this.requests.length}"` : '"one"',
      ...(noLength ? {} : { "content-length": body.length }),
      ...(encoding === undefined ? {} : { "content-encoding": encoding }),
    };
  }

  #sendBody(response: ServerResponse, body: Buffer): void {
    const { stallAfterBytes, cutAfterBytes, cutTimes = Infinity } = this.faults;
    if (stallAfterBytes !== undefined) {
      response.write(body.subarray(0, stallAfterBytes));
      return;
    }
    if (cutAfterBytes !== undefined && cutTimes > 0 && body.length > cutAfterBytes) {
      this.faults.cutTimes = cutTimes - 1;
      response.write(body.subarray(0, cutAfterBytes), () => {
        // A moment, so that the bytes are there before the connection is gone.
        setTimeout(() => response.destroy(), 20);
      });
      return;
    }
    response.end(body);
  }
}

function readRange(header: string | undefined): SeenRequest["range"] {
  const match = /^bytes=(\d+)-(\d+)$/.exec(header ?? "");
  return match ? { start: Number(match[1]), end: Number(match[2]) + 1 } : undefined;
}
