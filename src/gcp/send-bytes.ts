import { request as plainRequest, type IncomingMessage } from "node:http";
import { request as secureRequest } from "node:https";

export interface BytesRequest {
  readonly method: string;
  readonly headers: Headers;
  /** Sent as it is, without a copy: not to be changed until there is an answer. */
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

export interface BytesAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/**
 * Sends a large body. `fetch` copies what it is given, and the copies of a disk's chunks are collected too late: some 30 MiB at any
 * time. Redirects are answers here, too.
 */
export function sendBytes(address: string, { method, headers, body, signal }: BytesRequest): Promise<BytesAnswer> {
  const url = new URL(address);
  const request = url.protocol === "https:" ? secureRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const length = { "content-length": String(body.length) };
    const sent = request(url, { method, headers: { ...Object.fromEntries(headers), ...length }, signal });
    sent.on("response", (response) => {
      answerOf(response).then(resolve, reject);
    });
    // Also after an answer: a service may answer and hang up before it has read everything.
    sent.on("error", reject);
    sent.end(body);
  });
}

async function answerOf(response: IncomingMessage): Promise<BytesAnswer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  const headers = new Headers();
  for (const [name, values] of Object.entries(response.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return { status: response.statusCode ?? 0, headers, text: Buffer.concat(pieces).toString("utf8") };
}
