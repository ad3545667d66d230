import { googleError } from "./gcp-errors.ts";
import { defaultIdentity, type GoogleIdentity } from "./google-auth.ts";
import type { GcpAnswer, GcpRequest, GcpSend, GcpService } from "./request.ts";
import { sendBytes, type BytesAnswer } from "./send-bytes.ts";

/** Google Cloud as the rest of us sees it: one attempt for each call. Errors are `GoogleError`s: see `gcpVerdict`. */
export interface GcpApi {
  readonly send: GcpSend;
  /** Fetches a new token before the next call. */
  renew(): void;
}

type Env = Readonly<Record<string, string | undefined>>;

const REQUEST_MS = 60_000;
const ENDPOINTS: Readonly<Record<Exclude<GcpService, "upload">, { readonly variable: string; readonly url: string }>> =
  {
    compute: { variable: "COMPUTE", url: "https://compute.googleapis.com/compute/v1/" },
    storage: { variable: "STORAGE", url: "https://storage.googleapis.com/storage/v1/" },
    resourcemanager: { variable: "CLOUDRESOURCEMANAGER", url: "https://cloudresourcemanager.googleapis.com/v1/" },
  };

/**
 * Talks REST itself: loading @google-cloud/compute alone takes three seconds and 200 MiB (it builds all of Compute's protocol
 * from one file of 12 MB), which is more than a whole publication may take of either; it also keeps Retry-After to itself.
 * @google-cloud/storage (8.4) sends no token with an upload to any other address than Google's, and has no way to make a stream
 * anew. Both are what the counterpart is tested with: see test/contract/gcp-clients.test.ts.
 *
 * @param env CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE, _STORAGE and _CLOUDRESOURCEMANAGER, as gcloud has them, name other addresses:
 *   private ones, or a counterpart in tests.
 */
export function gcpApi(env: Env, { project, identity }: { project: string; identity?: GoogleIdentity }): GcpApi {
  const who = identity ?? defaultIdentity(project);
  return {
    send: async (request, signal) => {
      const url = addressOf(request, env);
      const isSession = "session" in request.to;
      const headers = isSession ? new Headers() : new Headers(await who.headers(url));
      for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name, value);
      const limited = AbortSignal.any([signal, AbortSignal.timeout(request.timeoutMs ?? REQUEST_MS)]);
      return answerOf(request, await exchange(url, request, { headers, signal: limited }));
    },
    renew: () => {
      who.renew();
    },
  };
}

async function exchange(
  url: string,
  { method, body }: GcpRequest,
  { headers, signal }: { readonly headers: Headers; readonly signal: AbortSignal },
): Promise<BytesAnswer> {
  if (body instanceof Uint8Array) return sendBytes(url, { method, headers, body, signal });
  const given = bodyOf(body, headers);
  // An upload says 308 for "go on"; nothing else of ours is ever sent elsewhere.
  const response = await fetch(url, { method, headers, redirect: "manual", signal, ...given });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

function bodyOf(body: unknown, headers: Headers): { readonly body?: string } {
  if (body === undefined) return {};
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  return { body: JSON.stringify(body) };
}

function answerOf(request: GcpRequest, { status, headers, text }: BytesAnswer): GcpAnswer {
  const answer = { status, headers, body: parsed(text) };
  const isGood = status >= 200 && status < 300;
  if (isGood || request.accept?.includes(status)) return answer;
  throw googleError(answer, text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function addressOf({ to, query }: GcpRequest, env: Env): string {
  if ("session" in to) return to.session;
  const url = new URL(to.path, serviceUrl(to.service, env));
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const each of value === undefined ? [] : [value].flat()) url.searchParams.append(name, each);
  }
  return url.href;
}

/** Uploads begin beside the service: `/upload/storage/v1/` for `/storage/v1/`. */
export function serviceUrl(service: GcpService, env: Env): string {
  if (service === "upload") return serviceUrl("storage", env).replace(/\/storage\/v1\/$/, "/upload/storage/v1/");
  const { variable, url } = ENDPOINTS[service];
  const given = env[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${variable}`];
  return given ? given.replace(/\/*$/, "/") : url;
}
