import { formatBytes } from "../journal/format.ts";
import { plainPaint, type Paint } from "../journal/paint.ts";
import type { Cost } from "../publish/cost.ts";
import { PHASES } from "../publish/phase.ts";
import type { PublishPlan } from "../publish/plan.ts";
import type { PreflightFinding, PublishedImage } from "../publish/publisher.ts";
import type { PublishStep } from "../publish/step.ts";
import { costLines, unitText } from "./render-publish-cost.ts";
import { table } from "./table.ts";

/** A plan with all that a person wants to know of it. */
export interface ShownPlan {
  readonly plan: PublishPlan;
  /** What is at the targets of these builds already. */
  readonly present: readonly PublishedImage[];
  readonly cost: Cost;
}

/** From so many on, places of which the same is said stand in one line. */
const MANY = 4;
const PLACES_A_LINE = 6;

/** A plan for people: what is wrong, what is there, then what would be done, phase by phase, and what it takes. */
export function renderPublishPlan({ plan, present, cost }: ShownPlan, paint: Paint): string {
  const builds = plan.builds.map(({ template, arch, version }) => `${template} ${arch} ${version}`).join(", ");
  const steps = plan.steps.length > 0 ? stepLines(plan.steps, paint) : ["nothing to do: everything is there"];
  const sections = [
    [paint("bold", `publish ${builds} to ${plan.targets.join(", ")}`)],
    titled("checks", findingLines(plan.findings, paint), paint),
    titled("already there", presentLines(present), paint),
    steps,
    plan.steps.length > 0 ? costLines(cost, paint) : [],
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

function titled(title: string, lines: readonly string[], paint: Paint): readonly string[] {
  return lines.length > 0 ? [paint("cyan", title), ...lines.map((line) => `  ${line}`)] : [];
}

const LEVELS = ["error", "warning", "unproven", "ok"] as const;
const MARKS = { ok: "green", unproven: "dim", warning: "yellow", error: "red" } as const;

/** The worst first; what is said of many places alike is said once. */
function findingLines(findings: readonly PreflightFinding[], paint: Paint): string[] {
  return LEVELS.flatMap((level) => {
    const alike = Map.groupBy(
      findings.filter((finding) => finding.level === level),
      ({ target, check, detail }) => JSON.stringify([target, check, detail]),
    );
    return [...alike.values()].flatMap((group) => findingText(group, paint));
  });
}

function findingText(group: readonly PreflightFinding[], paint: Paint): string[] {
  const [first] = group;
  if (!first) return [];
  const { level, target, check, detail, hint } = first;
  const line = `${paint(MARKS[level], level.padEnd(8))}  ${target} ${placesOf(group)}: ${check}: ${detail}`;
  const shown = hint === undefined || level === "ok" ? [] : hint.split("\n");
  return [line, ...shown.map((text) => `          ${paint("dim", text)}`)];
}

function presentLines(images: readonly PublishedImage[]): string[] {
  const rows = images.map(({ target, place, id, public: isPublic }) => [
    target,
    place,
    id,
    isPublic ? "public" : "private",
  ]);
  return table(["left", "left", "left", "left"], rows);
}

function stepLines(steps: readonly PublishStep[], paint: Paint): string[] {
  const alike = PHASES.map((phase) => ({ phase, groups: groupsIn(steps.filter((step) => step.phase === phase)) }));
  // One table for all phases, so that columns stand below each other.
  const rows = alike.flatMap(({ groups }) => groups.map((group) => [group[0]?.target ?? "", placesOf(group), "|"]));
  const places = table(["left", "left", "left"], rows).map((line) => line.slice(0, -1));
  const named = new Set<string>();
  let at = 0;
  return alike
    .filter(({ groups }) => groups.length > 0)
    .flatMap(({ phase, groups }) => [
      paint("cyan", phase),
      ...groups.flatMap((group) => [
        `  ${places[at++] ?? ""}${whatText(group, paint)}`,
        ...placeLines(group, named).map((line) => paint("dim", line)),
      ]),
    ]);
}

/** Steps that differ by their place alone. */
function groupsIn(steps: readonly PublishStep[]): (readonly PublishStep[])[] {
  const alike = Map.groupBy(steps, (step) => JSON.stringify([step.target, whatText([step], plainPaint)]));
  return [...alike.values()].flatMap((group) => (group.length < MANY ? group.map((step) => [step]) : [group]));
}

function whatText(group: readonly PublishStep[], paint: Paint): string {
  const [step] = group;
  if (!step) return "";
  const { title, required, quantities, exposes } = step;
  const notes = [...(required ? [] : ["best effort"]), ...(exposes ? ["visible to others"] : [])];
  const takes = quantitiesText(quantities);
  return [
    title,
    ...(notes.length > 0 ? [paint("yellow", `(${notes.join(", ")})`)] : []),
    ...(takes === "" ? [] : [paint("dim", `· ${takes}${group.length > 1 ? " each" : ""}`)]),
  ].join(" ");
}

/** Which places they are, the first time that they are these. */
function placeLines(group: readonly PublishStep[], named: Set<string>): string[] {
  const names = group.map(({ place }) => place);
  const key = [...names].sort().join();
  if (names.length < MANY || named.has(key)) return [];
  named.add(key);
  return Array.from({ length: Math.ceil(names.length / PLACES_A_LINE) }, (_, row) => {
    const some = names.slice(row * PLACES_A_LINE, (row + 1) * PLACES_A_LINE);
    return `      ${some.join(", ")}`;
  });
}

function placesOf(of: readonly { readonly place: string }[]): string {
  const places = [...new Set(of.map(({ place }) => place))];
  return places.length < MANY ? places.join(", ") : `${String(places.length)} places`;
}

/** `bytes` as sizes, everything else as a number and its name; nothing of what rounds to nothing. */
function quantitiesText(quantities: Readonly<Record<string, number>>): string {
  return Object.entries(quantities)
    .filter(([, amount]) => amount > 0)
    .map(([name, amount]) => (name === "bytes" ? formatBytes(amount) : `${shown(amount)} ${unitText(name, amount)}`))
    .join(", ");
}

function shown(amount: number): string {
  return Number.isInteger(amount) ? String(amount) : amount.toFixed(2);
}
