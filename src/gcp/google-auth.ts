import { KvciError, messageOf } from "../core/error.ts";
import { GoogleError } from "./gcp-errors.ts";

/** Headers that say who we are. */
export interface GoogleIdentity {
  headers(url: string): Promise<Headers>;
  /** Fetches a new token before the next call. */
  renew(): void;
}

interface AuthClient {
  getRequestHeaders(url?: string): Promise<Headers>;
}

const SCOPE = "https://www.googleapis.com/auth/cloud-platform";

/**
 * Application-default credentials: the file that GOOGLE_APPLICATION_CREDENTIALS names (keys, or workload identity without one),
 * gcloud's own, or the machine's service account. The library reads them from the process's environment, and is loaded with the
 * first call.
 *
 * @param project saves the library from asking around for one.
 */
export function defaultIdentity(project: string): GoogleIdentity {
  let client: Promise<AuthClient> | undefined;
  const load = async (): Promise<AuthClient> => {
    const { GoogleAuth } = await import("google-auth-library");
    return new GoogleAuth({ scopes: [SCOPE], projectId: project }).getClient();
  };
  return {
    headers: async (url) => {
      try {
        return await (await (client ??= load())).getRequestHeaders(url);
      } catch (cause) {
        client = undefined;
        throw isPassing(cause) ? passing(cause) : denied(cause);
      }
    },
    renew: () => {
      client = undefined;
    },
  };
}

/** The token's own service may be out of reach for a while, too; the library wraps what it said. */
function isPassing(error: unknown): boolean {
  const { status, code, cause } = error as { readonly status?: unknown; readonly code?: unknown; cause?: unknown };
  if (typeof status === "number") return status >= 500 || status === 429;
  if (/ECONN|ETIMEDOUT|EAI_AGAIN|EPIPE/.test(String(code))) return true;
  return cause instanceof Error && isPassing(cause);
}

/** As if the call itself had been answered so: it is tried again like one. */
function passing(cause: unknown): GoogleError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const facts = { status: 503, reason: "tokenService", requestId: undefined, retryAfterMs: undefined };
  return new GoogleError(`the token's service: ${messageOf(inner)}`, facts);
}

function denied(cause: unknown): KvciError {
  return new KvciError("publish-denied", `no Google credentials: ${messageOf(cause)}`, {
    hint: "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a credentials file.",
    cause,
  });
}
