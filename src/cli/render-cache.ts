import { formatAge } from "../core/age.ts";
import { formatBytes } from "../journal/format.ts";
import { displayLine } from "../journal/text-width.ts";
import type { Collected } from "../store/collect.ts";
import type { Item } from "../store/inventory.ts";
import { table } from "./table.ts";

/** What the store holds, what was used last first; a line for the total. */
export function renderItems(root: string, items: readonly Item[], nowMs: number): string {
  if (items.length === 0) return `${root} is empty.\n`;
  const rows = items
    .toSorted((a, b) => b.lastUsedMs - a.lastUsedMs)
    .map((item) => [...sizeAndTimes(item, nowMs), item.kind, what(item), neededBy(item)]);
  const head = ["SIZE", "AGE", "LAST USE", "KIND", "WHAT", "NEEDED BY"];
  const lines = table(["right", "right", "right", "left", "left", "left"], [head, ...rows]);
  return [...lines, "", `${formatBytes(total(items))} in ${things(items.length)}, ${root}`, ""].join("\n");
}

/** What was removed, or would be, and what stays. */
export function renderCollected(
  { removed, freedBytes, keptBytes, inUse }: Collected,
  options: { readonly dryRun: boolean; readonly maxBytes: number; readonly nowMs: number },
): string {
  const rows = removed.map((item) => [...sizeAndTimes(item, options.nowMs), item.kind, what(item)]);
  const head = ["SIZE", "AGE", "LAST USE", "KIND", "WHAT"];
  const lines = rows.length === 0 ? [] : [...table(["right", "right", "right", "left", "left"], [head, ...rows]), ""];
  const verb = options.dryRun ? "would be freed" : "freed";
  const used = inUse === 0 ? "" : `; ${things(inUse)} in use by running builds`;
  const over = keptBytes > options.maxBytes ? `, more than ${formatBytes(options.maxBytes)}` : "";
  return [
    ...lines,
    `${formatBytes(freedBytes)} in ${things(removed.length)} ${verb}; ${formatBytes(keptBytes)} stay${over}${used}`,
    "",
  ].join("\n");
}

function sizeAndTimes({ bytes, createdAt, lastUsedMs }: Item, nowMs: number): string[] {
  return [formatBytes(bytes), formatAge(nowMs - Date.parse(createdAt)), formatAge(nowMs - lastUsedMs)];
}

function what({ what: words, usable }: Item): string {
  return displayLine(usable ? words : `${words} (of no use any more)`);
}

function neededBy({ neededBy: { length } }: Item): string {
  return length === 0 ? "" : String(length);
}

function things(count: number): string {
  return count === 1 ? "1 item" : `${String(count)} items`;
}

function total(items: readonly Item[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}
