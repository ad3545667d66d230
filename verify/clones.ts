import type { DiskUnderTest } from "./disk-under-test.ts";
import type { Clone, Place, PlaceContext } from "./place.ts";

/** Clones that run side by side; disposal ends all of them. */
export interface Clones extends AsyncDisposable {
  readonly list: readonly Clone[];
}

/**
 * Boots `count` clones at once. When one fails, the others are stopped at once and the first error is thrown; none is
 * left running.
 *
 * @param count at most 26: clones are called verify-a, verify-b and so on.
 */
export async function bootClones(
  place: Place,
  disk: DiskUnderTest,
  options: PlaceContext & { readonly count: number },
): Promise<Clones> {
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  let first: { readonly error: unknown } | undefined;
  const boot = async (name: string): Promise<Clone | undefined> => {
    try {
      return await options.journal.span({ name: `boot ${name}`, kind: "phase" }, (journal) =>
        place.clone(disk, name, { journal, signal }),
      );
    } catch (error) {
      first ??= { error };
      failed.abort();
      return undefined;
    }
  };
  const booted = await Promise.all(Array.from({ length: options.count }, (_, index) => boot(cloneName(index))));
  const list = booted.filter((clone) => clone !== undefined);
  if (first === undefined) return { list, [Symbol.asyncDispose]: () => disposeAll(list) };
  await disposeAll(list);
  throw first.error;
}

function cloneName(index: number): string {
  return `verify-${String.fromCharCode(97 + index)}`;
}

/** Every clone gets its turn, also when another's end fails. */
async function disposeAll(list: readonly Clone[]): Promise<void> {
  const ends = await Promise.allSettled(list.map(async (clone) => clone[Symbol.asyncDispose]()));
  const failure = ends.find((end) => end.status === "rejected");
  if (failure) throw failure.reason;
}
