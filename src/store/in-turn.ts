/** How many files are read at once: more open files gain nothing, since libuv has 4 threads for them. */
const AT_ONCE = 32;

/** As `Promise.all` over `items.map(work)`, a handful at a time; results in the order of the items. */
export async function mapInTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  }
  return results;
}
