/** Text in chunks, made into lines. */
export interface LineSplitter {
  /** The lines that are complete now, without their ends. */
  readonly push: (text: string) => readonly string[];
  /** What has come since the last line end; and forgets it. */
  readonly flush: () => readonly string[];
  /** The same without forgetting: what a terminal's last row would show. */
  readonly rest: string;
}

/** Longest line that is kept whole, in UTF-16 code units; a longer one comes in pieces of this size. */
export const MAX_LINE = 64 * 1024;

/**
 * Splits at `\n`, `\r\n` and at a lone `\r`, which programs use to draw progress over one line; the empty pieces that a
 * lone `\r` leaves are dropped. Holds at most one line of `MAX_LINE`.
 */
export function createLineSplitter(): LineSplitter {
  let rest = "";
  return {
    get rest() {
      return rest;
    },
    push: (text) => {
      const [lines, open] = splitLines(rest, text);
      // The open line, too, is cut before it grows without end.
      const pieces = cut(open);
      rest = pieces.pop() ?? "";
      return [...lines, ...pieces];
    },
    flush: () => {
      const line = rest.replace(/\r$/, "");
      rest = "";
      return line === "" ? [] : cut(line);
    },
  };
}

function splitLines(open: string, text: string): [lines: readonly string[], open: string] {
  // Most often a chunk goes on with a line; then nothing has to be searched twice.
  if (!/[\r\n]/.test(text) && !open.endsWith("\r")) return [[], open + text];
  const pieces = (open + text).split(/(\r\n|\n|\r(?!$))/);
  const rest = pieces.pop() ?? "";
  const lines = pieces.flatMap((line, index) => {
    const end = pieces[index + 1];
    const isLineEnd = index % 2 === 1;
    return isLineEnd || (line === "" && end === "\r") ? [] : cut(line);
  });
  return [lines, rest];
}

function cut(line: string): string[] {
  if (line.length <= MAX_LINE) return [line];
  const pieces: string[] = [];
  let start = 0;
  while (line.length - start > MAX_LINE) {
    // A surrogate pair stays in one piece.
    const end = /[\uD800-\uDBFF]/.test(line[start + MAX_LINE - 1] ?? "") ? start + MAX_LINE - 1 : start + MAX_LINE;
    pieces.push(line.slice(start, end));
    start = end;
  }
  return [...pieces, line.slice(start)];
}
