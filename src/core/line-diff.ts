/** One line of a comparison, in the order in which a person reads it: what is gone comes before what is new. */
export interface DiffLine {
  readonly kind: "same" | "removed" | "added";
  readonly text: string;
  /** Index in the old list, where it is from there. */
  readonly from?: number;
  /** Index in the new list, where it is in there. */
  readonly to?: number;
}

/** Beyond that (2,000 lines against 2,000) the middle counts as wholly replaced: nobody reads a longer comparison. */
const MAX_CELLS = 4_000_000;
const CONTEXT_LINES = 3;

/** What changed between two lists of lines: the shortest account of it, unless they are very long. */
export function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  const start = commonStart(before, after);
  const end = commonEnd(before, after, start);
  const old = before.slice(start, before.length - end);
  const now = after.slice(start, after.length - end);
  const offset = (line: DiffLine): DiffLine => ({
    ...line,
    ...(line.from === undefined ? {} : { from: line.from + start }),
    ...(line.to === undefined ? {} : { to: line.to + start }),
  });
  const same = (index: number, shift: number): DiffLine => ({
    kind: "same",
    text: after[index] ?? "",
    from: index - shift,
    to: index,
  });
  const middle = old.length * now.length > MAX_CELLS ? replaced(old, now) : aligned(old, now);
  const tail = Array.from({ length: end }, (_, index) =>
    same(after.length - end + index, after.length - before.length),
  );
  return [...Array.from({ length: start }, (_, index) => same(index, 0)), ...middle.map(offset), ...tail];
}

/** A comparison as `diff -u` prints it, without the two file names; nothing when there is no difference. */
export function unifiedDiff(lines: readonly DiffLine[]): string[] {
  const shown = lines.map((_, index) =>
    lines.slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1).some(({ kind }) => kind !== "same"),
  );
  const out: string[] = [];
  for (const [index, line] of lines.entries()) {
    if (!shown[index]) continue;
    if (!shown[index - 1]) out.push(hunkHead(lines, index, endOfHunk(shown, index)));
    out.push(`${{ same: " ", removed: "-", added: "+" }[line.kind]}${line.text}`);
  }
  return out;
}

function endOfHunk(shown: readonly boolean[], start: number): number {
  const end = shown.indexOf(false, start);
  return end === -1 ? shown.length : end;
}

function hunkHead(lines: readonly DiffLine[], start: number, end: number): string {
  const hunk = lines.slice(start, end);
  const range = (absent: DiffLine["kind"]): string => {
    const before = lines.slice(0, start).filter(({ kind }) => kind !== absent).length;
    const length = hunk.filter(({ kind }) => kind !== absent).length;
    return `${String(length === 0 ? before : before + 1)},${String(length)}`;
  };
  return `@@ -${range("added")} +${range("removed")} @@`;
}

function commonStart(a: readonly string[], b: readonly string[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

function commonEnd(a: readonly string[], b: readonly string[], start: number): number {
  let length = 0;
  const most = Math.min(a.length, b.length) - start;
  while (length < most && a[a.length - 1 - length] === b[b.length - 1 - length]) length += 1;
  return length;
}

function replaced(old: readonly string[], now: readonly string[]): DiffLine[] {
  return [
    ...old.map((text, from): DiffLine => ({ kind: "removed", text, from })),
    ...now.map((text, to): DiffLine => ({ kind: "added", text, to })),
  ];
}

/** By the longest common subsequence. */
function aligned(old: readonly string[], now: readonly string[]): DiffLine[] {
  const common = commonLengths(old, now);
  const lines: DiffLine[] = [];
  let [from, to] = [0, 0];
  while (from < old.length && to < now.length) {
    if (old[from] === now[to]) {
      lines.push({ kind: "same", text: now[to] ?? "", from, to });
      from += 1;
      to += 1;
    } else if (common(from + 1, to) >= common(from, to + 1)) {
      lines.push({ kind: "removed", text: old[from] ?? "", from });
      from += 1;
    } else {
      lines.push({ kind: "added", text: now[to] ?? "", to });
      to += 1;
    }
  }
  const gone = old.slice(from).map((text, index): DiffLine => ({ kind: "removed", text, from: from + index }));
  const fresh = now.slice(to).map((text, index): DiffLine => ({ kind: "added", text, to: to + index }));
  return [...lines, ...gone, ...fresh];
}

/** Length of the longest common subsequence of what follows old line `from` and new line `to`. */
function commonLengths(old: readonly string[], now: readonly string[]): (from: number, to: number) => number {
  const width = now.length + 1;
  const lengths = new Uint32Array((old.length + 1) * width);
  const at = (from: number, to: number): number => lengths[from * width + to] ?? 0;
  for (let from = old.length - 1; from >= 0; from -= 1) {
    for (let to = now.length - 1; to >= 0; to -= 1) {
      const isSame = old[from] === now[to];
      lengths[from * width + to] = isSame ? at(from + 1, to + 1) + 1 : Math.max(at(from + 1, to), at(from, to + 1));
    }
  }
  return at;
}
