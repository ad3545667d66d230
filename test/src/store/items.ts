import type { Item } from "../../../src/store/inventory.ts";
import type { Pins } from "../../../src/store/pins.ts";

/** Items from what each needs, in the order of their last use; each takes 10 bytes unless told. */
export function itemsOf(needs: Readonly<Record<string, Partial<Item>>>): Item[] {
  return Object.entries(needs).map(([path, facts], index) => ({
    path,
    kind: "layer",
    what: path,
    bytes: 10,
    createdAt: "2026-11-20T12:00:00Z",
    lastUsedMs: index,
    needs: [],
    usable: true,
    ...facts,
    neededBy: Object.keys(needs).filter((other) => needs[other]?.needs?.includes(path)),
  }));
}

/** Pins of exactly those paths. */
export function pinsOf(...paths: readonly string[]): Pins {
  return { otherRuns: 0, holds: (path) => paths.includes(path) };
}
