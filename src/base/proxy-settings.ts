import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";

type Proxy = Environment["proxy"];

/** Never asked through a proxy: what is here cannot be reached from there. */
const LOOPBACK = ["localhost", "127.0.0.1", "::1"] as const;

/**
 * The proxies of an environment; what it does not say, the variables that every program reads say. Without a proxy of its own
 * HTTPS goes by that for HTTP.
 *
 * @throws {KvciError} `environment-invalid` for a variable that holds no URL, without its value: there may be a password in it.
 */
export function proxySettings(proxy: Proxy, env: Readonly<Record<string, string | undefined>>): Proxy {
  const http = proxy.http ?? proxyOf(env, "http_proxy");
  const https = proxy.https ?? proxyOf(env, "https_proxy") ?? http;
  const named = proxy.no.length > 0 ? proxy.no : (variable(env, "no_proxy") ?? "").split(/[\s,]+/);
  const no = [...new Set([...named.filter((host) => host !== ""), ...LOOPBACK])];
  return { ...(http === undefined ? {} : { http }), ...(https === undefined ? {} : { https }), no };
}

/** Programs disagree about the case; the lower one is the older. */
function variable(env: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  return [env[name], env[name.toUpperCase()]].find((value) => value !== undefined && value !== "");
}

function proxyOf(env: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  const value = variable(env, name);
  if (value === undefined) return undefined;
  const url = value.includes("://") ? value : `http://${value}`;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new KvciError("environment-invalid", `the variable ${name} holds no http or https URL`, {
    hint: "Write it as http://proxy.example:3128, or name the proxy in the environment.",
  });
}

/** Whether anything goes by a proxy. */
export function hasProxy({ http, https }: Proxy): boolean {
  return http !== undefined || https !== undefined;
}
