import type { Item } from "./inventory.ts";

/**
 * Items in the order in which they may go: what is of no use first, then what was used longest ago. What needs another item
 * comes before it, and using an item counts as using all it needs. Items that need each other in a circle come last.
 */
export function removalOrder(items: readonly Item[]): Item[] {
  const byPath = new Map(items.map((item) => [item.path, item]));
  const waiting = new Map(items.map((item) => [item.path, item.neededBy.length]));
  const usedMs = new Map(items.map((item) => [item.path, item.lastUsedMs]));
  const rank = new Map<string, number>();
  // From the top down: an item's turn comes when all that need it have had theirs.
  const ready = items.filter((item) => item.neededBy.length === 0);
  for (const item of ready) {
    rank.set(item.path, rank.size);
    for (const need of new Set(item.needs)) {
      const below = byPath.get(need);
      if (!below) continue;
      usedMs.set(need, Math.max(usedMs.get(need) ?? 0, usedMs.get(item.path) ?? 0));
      const left = (waiting.get(need) ?? 0) - 1;
      waiting.set(need, left);
      if (left === 0) ready.push(below);
    }
  }
  const place = (item: Item): readonly number[] => [
    rank.has(item.path) ? 0 : 1,
    item.usable ? 1 : 0,
    usedMs.get(item.path) ?? 0,
    rank.get(item.path) ?? 0,
  ];
  return items.toSorted((a, b) => compare(place(a), place(b)));
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
