import { PRICED_UNITS, type Prices } from "../core/target.ts";
import type { PublishStep } from "./step.ts";

/** What the steps of one target take of one thing, and what that costs. */
export interface CostLine {
  readonly target: string;
  readonly unit: string;
  readonly amount: number;
  /** US dollars for all of it; undefined where the target has no price for one. */
  readonly usd: number | undefined;
  /** Whether anybody asks money for it: nobody does for a layer. */
  readonly isPriced: boolean;
}

/** What a plan takes. Of what is kept, a month's cost is counted. */
export interface Cost {
  readonly lines: readonly CostLine[];
  /** Sum of what is known, in US dollars. */
  readonly usd: number;
  /** Units that have no price. */
  readonly unknown: readonly string[];
  /** Dates of the prices, oldest first. */
  readonly asOf: readonly string[];
}

const GIB = 1024 ** 3;

/** Adds up quantities by target and unit. @param prices by target. */
export function planCost(steps: readonly PublishStep[], prices: ReadonlyMap<string, Prices>): Cost {
  const lines = [...Map.groupBy(steps, ({ target }) => target)].flatMap(([target, own]) =>
    [...amounts(own)].map(([unit, amount]) => {
      const each = priceOf(unit, prices.get(target));
      const isPriced = (PRICED_UNITS as readonly string[]).includes(unit);
      return { target, unit, amount, usd: each === undefined ? undefined : each * amount, isPriced };
    }),
  );
  const targets = new Set(lines.map(({ target }) => target));
  const dates = [...prices].flatMap(([target, { asOf }]) => (targets.has(target) ? [asOf] : []));
  return {
    lines,
    usd: lines.reduce((sum, { usd = 0 }) => sum + usd, 0),
    unknown: [...new Set(lines.filter(({ usd, isPriced }) => isPriced && usd === undefined).map(({ unit }) => unit))],
    asOf: [...new Set(dates)].sort(),
  };
}

function amounts(steps: readonly PublishStep[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { quantities } of steps) {
    for (const [name, amount] of Object.entries(quantities)) {
      // Nobody's price list is by the byte.
      const [unit, much] = name === "bytes" ? ["GiB sent", amount / GIB] : [name, amount];
      sums.set(unit, (sums.get(unit) ?? 0) + much);
    }
  }
  return sums;
}

function priceOf(unit: string, prices: Prices | undefined): number | undefined {
  const known: Readonly<Record<string, number | undefined>> = prices?.usd ?? {};
  return known[unit];
}
