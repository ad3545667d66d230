import {
  request as plainRequest,
  Agent as PlainAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import { request as tlsRequest, Agent as TlsAgent } from "node:https";
import { pipeline, Readable } from "node:stream";
import { rootCertificates } from "node:tls";

export interface HttpCall {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly signal: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request, one reply; any status is a reply. Redirects are not followed. */
export type Http = (call: HttpCall) => Promise<HttpReply>;

export interface Connections {
  readonly http: Http;
  /** As `http`, with a body of any length, and the answer's as it comes. */
  readonly stream: (
    call: Omit<HttpCall, "body"> & { readonly body?: Uint8Array | Readable | undefined },
  ) => Promise<IncomingMessage>;
}

/** Nothing that registries say to us is longer: manifests are at most 4 MiB. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Milliseconds for one request; the documents we send ourselves are small. */
const TIMEOUT_MS = 120_000;
/** Milliseconds without a byte in either direction. */
const IDLE_MS = 120_000;

/**
 * Requests to registries, over connections that are kept. Proxies are those of the environment where Node can use them.
 *
 * @param certificates PEM, trusted beside Node's own: those of SSL_CERT_FILE, which is where oras looks, too.
 */
export function registryConnections(
  env: Readonly<Record<string, string | undefined>>,
  certificates: string | undefined,
): Connections {
  const own = certificates === undefined ? {} : { ca: [...rootCertificates, certificates] };
  const common = { keepAlive: true, maxSockets: 16, proxyEnv: proxiesOf(env) };
  const agents = { tls: new TlsAgent({ ...common, ...own }), plain: new PlainAgent(common) };
  const stream: Connections["stream"] = ({ method, url, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const options = { method, headers: { "user-agent": "kvci-build", ...headers, ...lengthOf(body) }, signal };
      const sent =
        url.protocol === "https:"
          ? tlsRequest(url, { ...options, agent: agents.tls }, resolve)
          : plainRequest(url, { ...options, agent: agents.plain }, resolve);
      sent.setTimeout(IDLE_MS, () => sent.destroy(new Error(`nothing came for ${IDLE_MS / 1000} s`)));
      sent.on("error", reject);
      if (body instanceof Readable) pipeline(body, sent, (error) => error && reject(error));
      else sent.end(body);
    });
  const http: Http = async (call) => {
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const answer = await stream({ ...call, signal });
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: await readBody(answer) };
  };
  return { http, stream };
}

function lengthOf(body: Uint8Array | Readable | undefined): Record<string, string> {
  return body instanceof Uint8Array ? { "content-length": String(body.length) } : {};
}

function proxiesOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]);
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

/** @throws an error for a body that is longer than any manifest. */
export async function readBody(answer: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MAX_BODY_BYTES) answer.destroy(new Error("the registry's answer is longer than any manifest"));
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** A header that is there once. */
export function headerOf({ headers }: HttpReply, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
