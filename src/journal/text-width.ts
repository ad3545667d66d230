import { stripVTControlCharacters } from "node:util";

/** Columns that a text without control characters takes in a terminal. */
export function textWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

function charWidth(char: string): number {
  if (/\p{Mark}|\p{Format}/u.test(char)) return 0;
  return isWide(char.codePointAt(0) ?? 0) ? 2 : 1;
}

/** East Asian Wide and Fullwidth of Unicode's EastAsianWidth.txt, in blocks, and the emoji planes. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];

function isWide(code: number): boolean {
  return WIDE.some(([first, last]) => code >= first && code <= last);
}

/** Cuts a text to `columns`; a cut one ends in `…`. */
export function cutText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let width = 0;
  let kept = "";
  for (const char of text) {
    width += charWidth(char);
    if (width > columns - 1) break;
    kept += char;
  }
  return columns > 0 ? `${kept.trimEnd()}…` : "";
}

/** A line as it may be shown in a row of ours: no escape sequences, no control characters, line ends and tabs as spaces. */
export function displayLine(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\r\n\t]+/g, " ")
    .replace(/\p{Control}/gu, "")
    .trimEnd();
}

/** Breaks a text at spaces into lines of at most `columns`; a longer word stays whole, so that paths and commands can be copied. */
export function wrapText(text: string, columns: number): string[] {
  return text.split("\n").flatMap((paragraph) => {
    const lines: string[] = [];
    let line = "";
    for (const word of paragraph.split(" ")) {
      const longer = line === "" ? word : `${line} ${word}`;
      if (line !== "" && textWidth(longer) > columns) {
        lines.push(line);
        line = word;
      } else {
        line = longer;
      }
    }
    return [...lines, line];
  });
}
