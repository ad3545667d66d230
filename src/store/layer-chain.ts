import type { Chain, ChainEnd, Layer, WantedLayer } from "./layer.ts";

/**
 * The longest chain of `layers` that begins with what is wanted: each stands on the one before, the first on the base. Of
 * equally long chains the one with the newer layer, seen from below, is taken.
 *
 * @param now milliseconds of the epoch, for the ages.
 */
export function longestChain(wanted: readonly WantedLayer[], layers: readonly Layer[], now: number): Chain {
  const above = Map.groupBy(layers, (layer) => layer.parent);
  const candidates = (at: number, below: Layer | undefined): readonly Layer[] =>
    (above.get(below?.id) ?? []).filter((layer) => layer.key === wanted[at]?.key);
  const reusable = (at: number, below: Layer | undefined): readonly Layer[] => {
    const want = wanted[at];
    if (!want || want.volatile) return [];
    return candidates(at, below).filter((layer) => !isTooOld(layer, want, now));
  };
  const height = heights(reusable, wanted.length);
  const chain: Layer[] = [];
  for (;;) {
    const at = chain.length;
    const [next] = reusable(at, chain.at(-1)).toSorted(
      (a, b) => height(at, b) - height(at, a) || (a.createdAt < b.createdAt ? 1 : -1),
    );
    if (!next) return { layers: chain, end: endOf(wanted[at], candidates(at, chain.at(-1))) };
    chain.push(next);
  }
}

/** How many layers a chain can have from one on. Each layer has one below it, so each is looked at once. */
function heights(
  reusable: (at: number, below: Layer | undefined) => readonly Layer[],
  length: number,
): (at: number, layer: Layer) => number {
  const known = new Map<string, number>();
  const rows: Layer[][] = [];
  let row: readonly (Layer | undefined)[] = [undefined];
  for (let at = 0; at < length && row.length > 0; at += 1) {
    const next = row.flatMap((below) => reusable(at, below));
    rows.push(next);
    row = next;
  }
  for (const [at, layers] of [...rows.entries()].reverse()) {
    for (const layer of layers) {
      const higher = reusable(at + 1, layer).map((next) => known.get(`${at + 1} ${next.id}`) ?? 0);
      known.set(`${at} ${layer.id}`, 1 + Math.max(0, ...higher));
    }
  }
  return (at, layer) => known.get(`${at} ${layer.id}`) ?? 0;
}

function isTooOld(layer: Layer, { maxAgeMs }: WantedLayer, now: number): boolean {
  return maxAgeMs !== undefined && now - Date.parse(layer.createdAt) > maxAgeMs;
}

/** Why `want` has no layer, where `there` are those that were not taken. */
function endOf(want: WantedLayer | undefined, there: readonly Layer[]): ChainEnd {
  if (!want) return { kind: "complete" };
  if (want.volatile) return { kind: "volatile" };
  const newest = there
    .map(({ createdAt }) => createdAt)
    .sort()
    .at(-1);
  return newest === undefined ? { kind: "absent" } : { kind: "too-old", createdAt: newest };
}
