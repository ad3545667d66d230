import { resolve } from "node:path";
import { fetchBy } from "../base/http-egress.ts";
import { proxySettings } from "../base/proxy-settings.ts";
import type { Environment } from "../core/environment.ts";
import type { App } from "./app.ts";
import { loadEnvironment } from "./template-loader/load-environment.ts";
import { findEnvironment } from "./template-loader/lookup.ts";
import { ENVIRONMENTS_DIR } from "./template-loader/own-files.ts";

export interface EnvironmentFlags {
  /** Name or path of the environment's file. */
  readonly env: string;
  /** The base URL in the place of the file's. */
  readonly mirror?: string | undefined;
}

/** An environment as it holds for this process, and the app within it. */
export interface OpenEnvironment {
  /** With the environment's store, unless KVCI_BUILD_STORE names one. */
  readonly app: App;
  /** With this process's proxies where it names none, and absolute paths. */
  readonly environment: Environment;
}

/**
 * Reads an environment. From then on this process fetches by its proxies and trusts its certificate authorities.
 *
 * @throws {KvciError} `environment-invalid`
 */
export async function openEnvironment(app: App, { env, mirror }: EnvironmentFlags): Promise<OpenEnvironment> {
  const file = await findEnvironment(env, { cwd: app.cwd, environmentsDir: ENVIRONMENTS_DIR });
  const said = await loadEnvironment(file, { cwd: app.cwd });
  const baseUrl = mirror ?? said.baseUrl;
  const environment: Environment = {
    ...said,
    // Nothing else is asked then, and what is there has the names of the distributions' own places.
    ...(baseUrl === undefined ? {} : { baseUrl, packageMirrors: {}, mirrors: {} }),
    proxy: proxySettings(said.proxy, app.env),
    caCertificates: said.caCertificates.map((path) => resolve(app.cwd, path)),
  };
  await fetchBy(environment);
  return { app: inStore(app, environment), environment };
}

function inStore(app: App, { store }: Environment): App {
  if (store.path === undefined || (app.env["KVCI_BUILD_STORE"] ?? "") !== "") return app;
  // A copy would open what is opened only when it is asked for, such as standard input.
  return Object.create(app, { storeRoot: { value: resolve(app.cwd, store.path), enumerable: true } }) as App;
}
