import { textWidth } from "../journal/text-width.ts";

/** Where the cells of a column stand. */
export type Column = "left" | "right";

/** Lines of columns as wide as their widest cell, two spaces apart; nothing follows the last cell. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map((_, at) => Math.max(0, ...rows.map((row) => textWidth(row[at] ?? ""))));
  const padded = (cell: string, at: number): string => {
    const space = " ".repeat((widths[at] ?? 0) - textWidth(cell));
    return columns[at] === "right" ? `${space}${cell}` : `${cell}${space}`;
  };
  return rows.map((row) => row.map(padded).join("  ").trimEnd());
}
