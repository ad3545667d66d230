/**
 * The one of `names` that `word` was probably meant to be: at most a third of its letters (and at least two) mistyped.
 * Capital letters, dashes and dots count as mistakes like any other; two letters swapped count once. Else the first name
 * that `word` begins, when it has three letters: "memory" for "memoryMiB".
 */
export function nearestName(word: string, names: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(word, name);
    if (distance < least && distance < name.length) [nearest, least] = [name, distance];
  }
  return nearest ?? (word.length < 3 ? undefined : names.find((name) => name.startsWith(word)));
}

/** `; did you mean "x"?` or nothing, to end a message with. */
export function didYouMean(word: string, names: readonly string[]): string {
  const name = nearestName(word, names);
  return name === undefined ? "" : `; did you mean "${name}"?`;
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 16) return Infinity;
  const width = b.length + 1;
  // costs[i * width + j]: from the first i letters of `a` to the first j of `b`.
  const costs = Array.from({ length: (a.length + 1) * width }, (_, index) => Math.max(index % width, index / width));
  const cost = (i: number, j: number): number => costs[i * width + j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = cost(i - 1, j - 1) + Number(a[i - 1] !== b[j - 1]);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? cost(i - 2, j - 2) + 1 : Infinity;
      costs[i * width + j] = Math.min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, replaced, swapped);
    }
  }
  return cost(a.length, b.length);
}
