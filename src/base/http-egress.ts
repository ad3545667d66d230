import type * as Undici from "undici";
import type { Environment } from "../core/environment.ts";
import { readCertificates, trustedCertificates } from "./certificates.ts";
import { hasProxy } from "./proxy-settings.ts";

/** How this process gets out. */
export type Egress = Pick<Environment, "proxy" | "caCertificates">;

/** What a server answered. */
export type FetchAnswer = Undici.Response;

/** What connections are made by: that of the environment while there is one, else one of this process. */
const dispatchers: { environment?: Undici.Dispatcher | undefined; own?: Undici.Dispatcher } = {};

/**
 * `fetch` of undici itself, loaded when it is needed: a plan is made in less time than that takes. The one built into Node 22 and 24
 * ends the whole process when a server closes the connection while its answer is still being read (nodejs/undici#5360), as simple
 * static servers do.
 */
export async function egress(): Promise<(url: string, init: Undici.RequestInit) => Promise<FetchAnswer>> {
  const { Agent, fetch } = await import("undici");
  const own = (dispatchers.own ??= new Agent());
  return (url, init) => fetch(url, { ...init, dispatcher: dispatchers.environment ?? own });
}

/**
 * Lets everything that this process fetches go by an environment's proxies, as `proxySettings` gives them, and trust its
 * certificate authorities beside the host's. Without either nothing changes.
 *
 * @returns what takes that back.
 * @throws {KvciError} `environment-invalid` for a file that holds no certificate.
 */
export async function fetchBy({ proxy, caCertificates }: Egress): Promise<AsyncDisposable> {
  if (!hasProxy(proxy) && caCertificates.length === 0) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const own = await readCertificates(caCertificates);
  const tls = own.length === 0 ? {} : { ca: [...trustedCertificates(), ...own] };
  const { EnvHttpProxyAgent } = await import("undici");
  const agent = new EnvHttpProxyAgent({
    // An empty text, unlike none, keeps the variables of this process out of it.
    httpProxy: proxy.http ?? "",
    httpsProxy: proxy.https ?? "",
    noProxy: proxy.no.join(","),
    // Proxies allow tunnels to port 443 and hardly ever to another.
    proxyTunnel: false,
    connect: tls,
    requestTls: tls,
    proxyTls: tls,
  });
  const before = dispatchers.environment;
  dispatchers.environment = agent;
  return {
    async [Symbol.asyncDispose]() {
      dispatchers.environment = before;
      await agent.destroy();
    },
  };
}
