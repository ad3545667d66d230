const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
];

/** An age in whole units, rounded down, by its two largest: `7d`, `7d 5h`, `1h 30m`, `0m`. */
export function formatAge(ms: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, ms);
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    if (count > 0) parts.push(`${String(count)}${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0m";
}
