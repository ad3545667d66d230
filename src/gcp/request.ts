/** Hosts of Google that we talk to. `upload` is where sessions of `storage` begin. */
export type GcpService = "compute" | "storage" | "upload" | "resourcemanager";

/** One call over HTTP. */
export interface GcpRequest {
  /** The permission that allows it, as messages and roles name it: `compute.images.create`. */
  readonly action: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below the service's address, without a slash in front; or an upload session, whose address is its own permission. */
  readonly to: { readonly service: GcpService; readonly path: string } | { readonly session: string };
  /** Members that are undefined are left out. */
  readonly query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Bytes are sent as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Statuses beside 2xx that are answers, not errors. */
  readonly accept?: readonly number[];
  /** Default: 60 s. */
  readonly timeoutMs?: number;
}

export interface GcpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; undefined for none. */
  readonly body: unknown;
}

/** Makes a call. Whoever hands it out decides what happens to failures. */
export type GcpSend = (request: GcpRequest, signal: AbortSignal) => Promise<GcpAnswer>;
