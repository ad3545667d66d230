import type { Environment } from "../core/environment.ts";

/**
 * The URLs to try for `urls`: first the environment's mirrors, by the longest prefix that fits, then the originals.
 * A prefix fits whole path segments only, so that `https://a.example/pub` does not stand for `https://a.example/public`.
 */
export function applyMirrors(urls: readonly string[], mirrors: Environment["mirrors"]): string[] {
  const mirrored = urls.flatMap((url) => mirrorsOf(url, mirrors));
  return [...new Set([...mirrored, ...urls])];
}

function mirrorsOf(url: string, mirrors: Environment["mirrors"]): string[] {
  const [best] = Object.entries(mirrors)
    .filter(([prefix]) => url === prefix || url.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`))
    .sort(([a], [b]) => b.length - a.length);
  if (!best) return [];
  const [prefix, targets] = best;
  const rest = url.slice(prefix.length).replace(/^\//, "");
  return targets.map((target) => (rest === "" ? target : `${target.replace(/\/$/, "")}/${rest}`));
}
