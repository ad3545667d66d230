/** Bytes `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** `ranges` (sorted, apart from each other) with `added` merged in; ranges that touch become one. */
export function addRange(ranges: readonly ByteRange[], added: ByteRange): ByteRange[] {
  if (added.end <= added.start) return [...ranges];
  const before = ranges.filter(({ end }) => end < added.start);
  const after = ranges.filter(({ start }) => start > added.end);
  const touching = ranges.slice(before.length, ranges.length - after.length);
  const start = Math.min(added.start, ...touching.map((range) => range.start));
  const end = Math.max(added.end, ...touching.map((range) => range.end));
  return [...before, { start, end }, ...after];
}

/** What `ranges` leave out of the first `totalBytes` bytes. */
export function missingRanges(ranges: readonly ByteRange[], totalBytes: number): ByteRange[] {
  const edges = [0, ...ranges.flatMap(({ start, end }) => [start, end]), totalBytes];
  const gaps: ByteRange[] = [];
  for (let index = 0; index < edges.length; index += 2) {
    const [start = 0, end = 0] = [edges[index], edges[index + 1]];
    if (start < end) gaps.push({ start, end });
  }
  return gaps;
}

/** The same bytes in pieces of at most `chunkBytes`. */
export function splitRanges(ranges: readonly ByteRange[], chunkBytes: number): ByteRange[] {
  return ranges.flatMap(({ start, end }) =>
    Array.from({ length: Math.ceil((end - start) / chunkBytes) }, (_, index) => ({
      start: start + index * chunkBytes,
      end: Math.min(end, start + (index + 1) * chunkBytes),
    })),
  );
}

export function rangesBytes(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** Whether `value` is a list as `addRange` keeps it, inside the first `totalBytes` bytes: what a state file may claim. */
export function areRanges(value: readonly ByteRange[], totalBytes: number): boolean {
  return value.every(({ start, end }, index) => {
    const previous = value[index - 1];
    return start < end && end <= totalBytes && start >= 0 && (previous === undefined || previous.end < start);
  });
}
