import type { Lock } from "../core/lock.ts";
import { countSections, lockChanges, type LockChange } from "../lock/lock-changes.ts";
import { displayLine } from "../journal/text-width.ts";
import { table } from "./table.ts";

/** A lock before and after it was resolved. */
export interface LockResult {
  readonly path: string;
  readonly before: Lock;
  readonly after: Lock;
}

/** What changed, old -> new, and how many entries there are. */
export function renderLock({ path, before, after }: LockResult): string {
  const changes = lockChanges(before, after);
  const counts = countSections(after, changes).filter((each) => each.entries + each.removed > 0);
  const sections = counts.flatMap(({ section }) => renderSection(section, changes, before));
  const summary = counts.map((each) => [
    `  ${each.section}`,
    String(each.entries),
    [said(each.added, "new"), said(each.changed, "changed"), said(each.removed, "removed")]
      .filter((text) => text !== "")
      .join(", ") || "unchanged",
  ]);
  const body =
    summary.length === 0 ? ["  nothing floats that a lock could freeze"] : table(["left", "right", "left"], summary);
  return `${[displayLine(path), ...sections, ...body].join("\n")}\n`;
}

function renderSection(section: LockChange["section"], changes: readonly LockChange[], before: Lock): string[] {
  const own = changes.filter((change) => change.section === section);
  const rows = (section === "packages" ? withoutNewSets(own, before) : own).map(({ entry, was, is }) => [
    `    ${displayLine(entry)}`,
    displayLine(was ?? "new"),
    "->",
    displayLine(is ?? "removed"),
  ]);
  return rows.length === 0 ? [] : [`  ${section}`, ...table(["left", "left", "left", "left"], rows), ""];
}

/** A set that is new as a whole is one line: what it is made of says nothing beside what it was. */
function withoutNewSets(changes: readonly LockChange[], { packages }: Lock): LockChange[] {
  const sets = Map.groupBy(changes, ({ entry }) => entry.split(" ", 2).join(" "));
  return [...sets].flatMap(([entry, own]) => {
    const [platform = "", set = ""] = entry.split(" ");
    if (packages[platform]?.[set]) return own;
    return [{ section: "packages", entry, was: undefined, is: `${own.length} packages` } as const];
  });
}

function said(count: number, what: string): string {
  return count === 0 ? "" : `${count} ${what}`;
}

/** The same for programs, on one line. */
export function lockJson(results: readonly LockResult[]): string {
  const locks = results.map(({ path, before, after }) => {
    const changes = lockChanges(before, after);
    return { path, changes, sections: countSections(after, changes), lock: after };
  });
  return `${JSON.stringify({ locks })}\n`;
}
