import { relative } from "node:path";
import { shortDigest, type Digest } from "../core/digest.ts";
import type { ErrorCode } from "../core/error.ts";
import type { Plan } from "../core/plan.ts";
import { keyChange, planChanges } from "../core/plan-changes.ts";
import type { Paint } from "../journal/paint.ts";
import { cutText, displayLine, textWidth } from "../journal/text-width.ts";
import type { PlannedEntry } from "./matrix-plans.ts";
import type { PublishedPlan } from "./matrix-published.ts";
import { table } from "./table.ts";

/** What a plan is compared with. */
export type Former =
  | { readonly kind: "plan"; readonly plan: Plan }
  | { readonly kind: "published"; readonly plans: readonly PublishedPlan[] }
  /** There was none, and why. */
  | { readonly kind: "none"; readonly reason: string };

/** One line of `kvci-build matrix`, in the words of its JSON. */
export interface MatrixRow {
  readonly template: string;
  readonly arch: string;
  /** What `kvci-build template` takes, relative to the working directory. */
  readonly file: string;
  readonly planId?: Digest;
  /** False while the base is not made: the plan's id changes when it is. */
  readonly pinned?: false;
  /** Absent without something to compare with. */
  readonly changed?: boolean;
  readonly reason?: string;
  readonly error?: { readonly code: ErrorCode; readonly message: string; readonly hint: string };
}

/** Changes named in one reason; the others are counted. */
const MOST_CHANGES = 3;

export function matrixRow(entry: PlannedEntry, cwd: string, former: Former | undefined): MatrixRow {
  const { loaded, arch, plan, error } = entry;
  const start = { template: loaded.template.name, arch, file: shownPath(loaded.file, cwd) };
  if (error) {
    const { code, message, hint } = error;
    return { ...start, changed: true, reason: `${code}: ${message}`, error: { code, message, hint } };
  }
  if (!plan) return start;
  const pinned = plan.base.pinned ? {} : ({ pinned: false } as const);
  const row = { ...start, planId: plan.id, ...pinned };
  if (!former) return row;
  const changes = changesOf(plan, former);
  return { ...row, changed: changes.length > 0, ...(changes.length > 0 ? { reason: joined(changes) } : {}) };
}

function changesOf(plan: Plan, former: Former): string[] {
  switch (former.kind) {
    case "none":
      return [former.reason];
    case "plan":
      return planChanges(plan, former.plan);
    case "published":
      return publishedChanges(plan, former.plans);
  }
}

function publishedChanges(plan: Plan, all: readonly PublishedPlan[]): string[] {
  const { arch } = plan.disk.platform;
  const own = all.filter((each) => each.template === plan.template && each.arch === arch);
  if (own.some(({ planId }) => planId === plan.id)) return [];
  const last = own.at(-1);
  if (!last) return ["not published"];
  if (!plan.base.pinned) return ["the base is not made here yet, so nothing is known of it"];
  return [last.keys ? keyChange(plan, last.keys) : `plan ${shortDigest(last.planId)} → ${shortDigest(plan.id)}`];
}

function joined(changes: readonly string[]): string {
  const more = changes.length - MOST_CHANGES;
  return [...changes.slice(0, MOST_CHANGES), ...(more > 0 ? [`and ${String(more)} more`] : [])].join("; ");
}

function shownPath(file: string, cwd: string): string {
  const below = relative(cwd, file);
  return below.startsWith("..") ? file : below;
}

/** One line of JSON in the form that CI systems fan out. Ends in a newline. */
export function matrixJson(rows: readonly MatrixRow[]): string {
  return `${JSON.stringify({ include: rows })}\n`;
}

/**
 * The rows for people; a reason is cut where the line ends. Ends in a newline.
 *
 * @param gone templates that there were and that are not any more.
 */
export function renderMatrixRows(
  rows: readonly MatrixRow[],
  gone: readonly string[],
  { columns, paint }: { readonly columns: number; readonly paint: Paint },
): string {
  const cells = rows.map((row) => [row.template, row.arch, planCell(row), stateOf(row)]);
  const left = ["left", "left", "left", "left"] as const;
  const widths = table(left, [["TEMPLATE", "ARCH", "PLAN", "STATE"], ...cells]);
  const padTo = Math.max(...widths.map(textWidth));
  const [head = "", ...lines] = widths;
  const body = lines.map((line, index) => {
    const reason = displayLine(rows[index]?.reason ?? "");
    if (reason === "") return line;
    return `${line.padEnd(padTo)}  ${paint("dim", cutText(reason, Math.max(20, columns - padTo - 2)))}`;
  });
  const removed = gone.length > 0 ? ["", `gone: ${gone.join(", ")}`] : [];
  return [paint("bold", head), ...body, ...removed, "", summary(rows), ...hintLines(rows), ""].join("\n");
}

/** What to do about the first that cannot be planned; the others mostly lack the same. */
function hintLines(rows: readonly MatrixRow[]): string[] {
  const [first] = rows.flatMap(({ error }) => (error ? [error] : []));
  return first ? [`What to do: ${displayLine(first.hint)}`] : [];
}

function planCell({ planId, pinned }: MatrixRow): string {
  if (planId === undefined) return "–";
  return pinned === false ? `${shortDigest(planId)}*` : shortDigest(planId);
}

function stateOf({ changed, error }: MatrixRow): string {
  if (error) return "error";
  if (changed === undefined) return "";
  return changed ? "changed" : "same";
}

function summary(rows: readonly MatrixRow[]): string {
  const changed = rows.filter((row) => row.changed === true && !row.error).length;
  const errors = rows.filter(({ error }) => error).length;
  const compared = rows.some((row) => row.changed !== undefined && !row.error);
  return [
    `${String(rows.length)} ${rows.length === 1 ? "build" : "builds"}`,
    ...(compared ? [`${String(changed)} changed`] : []),
    ...(errors > 0 ? [`${String(errors)} cannot be planned`] : []),
    ...(rows.some(({ pinned }) => pinned === false) ? ["* until its base is made"] : []),
  ].join(", ");
}
