import { formatAge } from "../../core/age.ts";
import type { Estimate } from "../../core/plan-estimate.ts";
import type { Plan, PlannedStep } from "../../core/plan.ts";
import { describeReason, reasonJson } from "../../core/reason.ts";
import { formatDuration } from "../../journal/format.ts";
import { plainPaint, streamPaint, type Paint } from "../../journal/paint.ts";
import { cutText, textWidth, wrapText } from "../../journal/text-width.ts";
import type { PlanStatus, TimedStatus } from "../plan-status.ts";
import { visible } from "./visible.ts";

/** How a plan is shown. */
export interface Look {
  readonly columns: number;
  readonly paint: Paint;
}

/** For files and pipes: the same on every machine. */
export const PLAIN_LOOK: Look = { columns: 100, paint: plainPaint };

/** As wide as the terminal, in colour where it shows them. */
export function streamLook(stream: NodeJS.WriteStream): Look {
  // Absent, whatever its type says, for files and pipes.
  const columns = (stream.columns as number | undefined) ?? PLAIN_LOOK.columns;
  return { columns, paint: streamPaint(stream) };
}

const MAX_NAME = 40;
/** More changes of one step than that are for `cache why`. */
const MAX_REASONS = 6;

/** What would be done: a row per step with its status, why those run that run, and how long all of it takes. */
export function renderStatus(plan: Plan, status: PlanStatus, look: Look): string[] {
  const names = plan.disk.steps.map(({ name }) => textWidth(name));
  const width = Math.min(MAX_NAME, Math.max(FIRST_BOOT.length, ...names));
  const boot = rowOf({ place: "", name: FIRST_BOOT, status: status.firstBoot, width }, look);
  const rows = plan.disk.steps.flatMap((step, index) => {
    const of = status.steps[index];
    return of ? stepRows({ step, of, place: String(index + 1), width }, { plan, look }) : [];
  });
  return [boot, ...rows, "", ...totalLines(plan, status, look)];
}

/** What a plan says of a step beside its ops: `volatile, maxAge 7d, freshBoot, phase node`. */
export function stepSettings({ volatile, maxAgeMs, freshBoot, phase }: PlannedStep): string[] {
  return [
    ...(volatile ? ["volatile"] : []),
    ...(maxAgeMs === undefined ? [] : [`maxAge ${formatAge(maxAgeMs)}`]),
    ...(freshBoot ? ["freshBoot"] : []),
    ...(phase === undefined ? [] : [`phase ${phase}`]),
  ];
}

/** The status for programs. */
export function statusJson({ firstBoot, steps, result, estimate }: PlanStatus): object {
  return {
    firstBoot,
    steps: steps.map(({ reasons, ...step }) => ({ ...step, reasons: reasons.map((each) => reasonJson(each)) })),
    ...(result === undefined ? {} : { result }),
    estimate,
  };
}

const FIRST_BOOT = "first boot";
const LABELS = { cached: "✓ cached  ", "will-run": "● will run" } as const;
/** Label, place, name: where reasons are indented to. */
const INDENT = 17;

interface Row {
  readonly place: string;
  readonly name: string;
  readonly status: TimedStatus["status"];
  readonly width: number;
  readonly estimateMs?: number | undefined;
  readonly note?: string;
}

function rowOf({ place, name, status, width, estimateMs, note = "" }: Row, { paint }: Look): string {
  const label = paint(status === "cached" ? "green" : "yellow", LABELS[status]);
  const shown = cutText(visible(name), width);
  const time = estimateMs === undefined ? "" : `~${formatDuration(estimateMs)}`;
  const rest = note === "" && time === "" ? "" : `  ${time.padEnd(9)}  ${paint("dim", note)}`;
  const padded = rest === "" ? shown : shown + " ".repeat(Math.max(0, width - textWidth(shown)));
  return `${label}  ${place.padStart(3)}  ${padded}${rest}`.trimEnd();
}

interface StepRow {
  readonly step: PlannedStep;
  readonly of: TimedStatus;
  readonly place: string;
  readonly width: number;
}

function stepRows(
  { step, of, place, width }: StepRow,
  { plan, look }: { readonly plan: Plan; readonly look: Look },
): string[] {
  const follows = of.reasons.find(({ cause }) => cause === "follows");
  const own = of.reasons.filter((reason) => reason !== follows && reason.cause !== "volatile");
  const notes = [...stepSettings(step), ...(follows ? [`follows ${follows.input}`] : [])].join(", ");
  const taken = INDENT + width + 2 + 9 + 2;
  const fits = taken + textWidth(notes) <= look.columns;
  const row = rowOf({ ...of, place, width, note: fits ? notes : "" }, look);
  const shown = own.slice(0, MAX_REASONS).map(describeReason);
  const name = step.name;
  const more = own.length - shown.length;
  return [
    row,
    ...(fits ? [] : indented(notes, look)),
    ...shown.flatMap((text) => indented(text, look)),
    ...(more > 0 ? indented(`and ${String(more)} more: kvci-build cache why ${plan.template} ${name}`, look) : []),
  ];
}

function indented(text: string, { columns, paint }: Look): string[] {
  return wrapText(visible(text), Math.max(40, columns - INDENT - 2)).map(
    (line, index) => " ".repeat(INDENT + (index === 0 ? 0 : 2)) + paint("dim", line),
  );
}

function totalLines(plan: Plan, { steps, result, estimate, layers }: PlanStatus, { columns }: Look): string[] {
  if (result !== undefined) {
    const rest =
      estimate.parts.length > 0 ? `only its verification is to be done; ${estimateText(estimate)}` : "nothing to do";
    return wrapText(`${visible(result)} is the result of this plan: ${rest}`, columns);
  }
  const running = steps.filter(({ status }) => status === "will-run").length;
  const count = `${String(running)} of ${String(steps.length)} steps will run`;
  const from = running > 0 && layers.length > 0 ? `, from the layer after ${topName(plan, layers.length)}` : "";
  return wrapText(`${count}${from}; ${estimateText(estimate)}`, columns);
}

function topName({ disk }: Plan, layers: number): string {
  return layers > 1 ? (disk.steps[layers - 2]?.name ?? "") : "the first boot";
}

/** `about 2 m 03 s: boot 27.1 s, steps 1.2 s, …`, and what was never timed. */
function estimateText({ totalMs, parts }: Estimate): string {
  const sums = new Map<string, number>();
  for (const { kind, name, ms } of parts) {
    const group = kind === "step" ? "steps" : name;
    if (ms !== undefined) sums.set(group, (sums.get(group) ?? 0) + ms);
  }
  if (sums.size === 0) return "no times are known yet";
  const list = [...sums].map(([name, ms]) => `${name} ${formatDuration(ms)}`).join(", ");
  const untimed = [...new Set(parts.filter(({ ms }) => ms === undefined).map(({ name }) => name))];
  if (untimed.length === 0) return `about ${formatDuration(totalMs)}: ${list}`;
  const unknown = untimed.length > MAX_REASONS ? `${String(untimed.length)} parts` : untimed.join(", ");
  return `at least ${formatDuration(totalMs)}: ${list}; not timed yet: ${unknown}`;
}
