import type { IncomingMessage } from "node:http";
import type { FaultRule } from "./gcp-fault.ts";
import type { World } from "./gcp-state.ts";

/** A call of Cloud Storage's JSON API, taken apart. */
export interface StorageCall {
  readonly world: World;
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed JSON; undefined for calls that take bytes. */
  readonly body: unknown;
  /** The bytes of a chunk, as they come. */
  readonly stream: IncomingMessage;
  readonly rules: readonly FaultRule[];
}

export interface Outgoing {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is written as JSON. */
  readonly body?: unknown;
  /** A file that is sent as it is. */
  readonly file?: string;
  /** No answer at all. */
  readonly cut?: true;
}
