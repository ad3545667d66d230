import type { Environment } from "../core/environment.ts";
import { applyMirrors } from "./mirrors.ts";

/** What of an environment says where files come from. */
export type Upstream = Pick<Environment, "mirrors" | "baseUrl">;

/**
 * The URLs to try for one that a template or the lock names: below the environment's base URL and nowhere else where it has one,
 * else its mirrors, then the URL itself.
 */
export function upstreamUrls(url: string, { mirrors, baseUrl }: Upstream): string[] {
  if (baseUrl === undefined) return applyMirrors([url], mirrors);
  return [`${baseUrl.replace(/\/$/, "")}/${pathBelowBase(url)}`];
}

/** Where a URL is below a base URL, `host/path`; a query is a part of the last name there. */
export function pathBelowBase(url: string): string {
  const { host, pathname, search } = new URL(url);
  return `${host}${pathname}${encodeURIComponent(search)}`;
}
