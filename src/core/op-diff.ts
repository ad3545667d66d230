import { fieldIdentity, isLong, longValue, opIdentity, type FieldValue, type FormerOp } from "./former-plan.ts";
import { diffLines, type DiffLine } from "./line-diff.ts";
import type { Reason } from "./reason.ts";

/** What is different between the ops of a step as they were and as they are, op by op and field by field. */
export function diffOps(before: readonly FormerOp[], after: readonly FormerOp[]): Reason[] {
  const lines = diffLines(before.map(opIdentity), after.map(opIdentity));
  return hunksOf(lines).flatMap(({ removed, added }) => hunkReasons(removed, added));

  function hunkReasons(removed: readonly number[], added: readonly number[]): Reason[] {
    const left = [...added];
    const changed = removed.flatMap((from) => {
      const old = before[from];
      const to = old && partnerOf(old, left, after);
      if (old === undefined) return [];
      if (to === undefined) return [gone(old, from)];
      left.splice(left.indexOf(to), 1);
      return fieldReasons(old, after[to], to);
    });
    return [...changed, ...left.flatMap((to) => fresh(after[to], to))];
  }
}

/** What an op does, for a person, whether it is of this plan or remembered: `write /etc/motd`. */
function describe({ kind, fields }: FormerOp): string {
  const { path, argv, reason } = fields;
  if (kind === "write-file" || kind === "copy-in") return `${kind === "copy-in" ? "copy to" : "write"} ${text(path)}`;
  if (kind === "wait-for") return `wait until ${text(reason)}`;
  return Array.isArray(argv) ? commandOf(argv as readonly string[]) : kind;
}

const MAX_WORDS_LENGTH = 40;

function commandOf(argv: readonly string[]): string {
  const line = argv.join(" ").replace(/\s+/g, " ");
  return line.length > MAX_WORDS_LENGTH ? `${line.slice(0, MAX_WORDS_LENGTH - 1)}…` : line;
}

function text(value: FieldValue | undefined): string {
  return typeof value === "string" ? value : "a long value";
}

interface Hunk {
  readonly removed: number[];
  readonly added: number[];
}

/** Neighbouring lines that differ, as indexes into the old and the new list. */
function hunksOf(lines: readonly DiffLine[]): Hunk[] {
  const hunks: Hunk[] = [];
  let open: Hunk | undefined;
  for (const { kind, from, to } of lines) {
    if (kind === "same") {
      open = undefined;
      continue;
    }
    if (!open) hunks.push((open = { removed: [], added: [] }));
    if (kind === "removed" && from !== undefined) open.removed.push(from);
    if (kind === "added" && to !== undefined) open.added.push(to);
  }
  return hunks;
}

/** The new op that an old one became: of the same kind, and for files of the same path, else the nearest of the kind. */
function partnerOf(old: FormerOp, candidates: readonly number[], after: readonly FormerOp[]): number | undefined {
  const alike = candidates.filter((index) => after[index]?.kind === old.kind);
  return alike.find((index) => after[index]?.fields["path"] === old.fields["path"]) ?? alike[0];
}

function fieldReasons(old: FormerOp, now: FormerOp | undefined, index: number): Reason[] {
  if (!now) return [];
  const names = [...new Set([...Object.keys(old.fields), ...Object.keys(now.fields)])];
  return names.flatMap((name): Reason[] => {
    const [from, to] = [old.fields[name], now.fields[name]];
    const isSame = from !== undefined && to !== undefined && fieldIdentity(from) === fieldIdentity(to);
    if (isSame) return [];
    const input = `op ${String(index + 1)} (${describe(now)}), ${name}`;
    return [{ cause: "op-changed", input, ...values(shownField(name, from), shownField(name, to)) }];
  });
}

/** Both values; where the old one was not kept whole, the new one is shown as that was. */
function values(from: FieldValue | undefined, now: FieldValue | undefined): Pick<Reason, "from" | "to"> {
  const to = from !== undefined && now !== undefined && isLong(from) ? longValue(now) : now;
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** Permission bits as people write them. */
function shownField(name: string, value: FieldValue | undefined): FieldValue | undefined {
  return name === "mode" && typeof value === "number" ? `0${value.toString(8)}` : value;
}

function gone(op: FormerOp, index: number): Reason {
  return { cause: "op-removed", input: `op ${String(index + 1)} (${describe(op)})`, from: wholeOp(op) };
}

function fresh(op: FormerOp | undefined, index: number): Reason[] {
  if (!op) return [];
  return [{ cause: "op-added", input: `op ${String(index + 1)} (${describe(op)})`, to: wholeOp(op) }];
}

function wholeOp({ kind, fields }: FormerOp): string {
  const shown = Object.entries(fields).map(([name, value]) => [name, isLong(value) ? value.digest : value]);
  return JSON.stringify({ kind, ...(Object.fromEntries(shown) as Record<string, FieldValue>) });
}
