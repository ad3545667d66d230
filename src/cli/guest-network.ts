import { networkEnv } from "../base/network-env.ts";
import { hasProxy } from "../base/proxy-settings.ts";
import type { GuestNetwork } from "../core/builder.ts";
import { Disposer, disposedOnError } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import type { Journal } from "../core/journal.ts";
import { startRelay } from "../relay/relay.ts";
import type { Session } from "./session.ts";

/** How one build gets at what is outside, in an environment. */
export interface BuildNetwork extends AsyncDisposable {
  readonly guest: GuestNetwork;
  /** The relay for programs of this host, `http://127.0.0.1:<port>`; undefined where nothing stands between them and the world. */
  readonly relay: string | undefined;
  /** Added to the environment of programs that fetch. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Whether packages come by kvci-build. Guests and package managers know neither mirrors nor proxies nor certificates, so that the
 * image need not know of them either.
 */
function needsRelay({ network, baseUrl, proxy, caCertificates, mirrors }: Environment): boolean {
  const changed = baseUrl !== undefined || caCertificates.length > 0 || Object.keys(mirrors).length > 0;
  return network === "isolated" || changed || hasProxy(proxy);
}

/**
 * Opens what a build goes out by: a relay where it needs one.
 *
 * @throws {KvciError} `environment-invalid`, `store-full`, `store-unusable`
 */
export async function openNetwork(
  { environment, session }: { readonly environment: Environment; readonly session: Pick<Session, "store" | "signal"> },
  journal: Journal,
): Promise<BuildNetwork> {
  const { store, signal } = session;
  return disposedOnError(new Disposer(), async (open) => {
    const folder = open.use(await store.temporaryFolder("network"));
    const env = await networkEnv(environment, folder.path);
    const proxied = hasProxy(environment.proxy);
    const named = Object.values(environment.packageMirrors);
    const relay = needsRelay(environment)
      ? open.use(await startRelay({ upstream: environment, named, proxied, journal, signal }))
      : undefined;
    return {
      guest: { isolated: environment.network === "isolated", relayPort: relay?.port },
      relay: relay && `http://127.0.0.1:${relay.port}`,
      env,
      [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
    };
  });
}
