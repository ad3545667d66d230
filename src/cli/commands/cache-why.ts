import { formatAge } from "../../core/age.ts";
import { KvciError } from "../../core/error.ts";
import { explainReason } from "../../core/explain-reason.ts";
import type { FieldValue } from "../../core/former-plan.ts";
import { didYouMean } from "../../core/near-name.ts";
import type { Plan, PlannedStep } from "../../core/plan.ts";
import type { Arch } from "../../core/platform.ts";
import { reasonJson } from "../../core/reason.ts";
import { formatBytes, formatDuration } from "../../journal/format.ts";
import { streamPaint, type Paint } from "../../journal/paint.ts";
import type { Layer } from "../../store/layer.ts";
import type { App } from "../app.ts";
import { openEnvironment } from "../environment-named.ts";
import { knownBases, planNamed, statusPorts } from "../named-plans.ts";
import { planStatus, type PlanStatus, type TimedStatus } from "../plan-status.ts";
import { buildName } from "../plans.ts";
import { stepSettings } from "../template-loader/render-status.ts";
import { visible } from "../template-loader/visible.ts";

export interface CacheWhyFlags {
  readonly arch: Arch | undefined;
  readonly env: string;
  readonly json?: true;
}

/** Exit status of a plan that has something to do; see `src/core/error.ts`. */
const CHANGES_PENDING = 2;

/**
 * `kvci-build cache why`: whether one step of a template is cached, and if not, every input that changed, in full.
 *
 * @returns 0 when it is cached, 2 when it will run.
 * @throws {KvciError} `usage` for a step that the template does not have.
 */
export async function cacheWhy(
  host: App,
  { template, step: name }: { readonly template: string; readonly step: string },
  flags: CacheWhyFlags,
): Promise<number> {
  const { app, environment } = await openEnvironment(host, flags);
  const known = await knownBases(app, environment);
  const [planned] = await planNamed(app, [template], { arch: flags.arch, known });
  if (!planned) throw new KvciError("internal", `no plan for ${template}`, { hint: "Report this." });
  const found = subjectOf(planned.plan, name, await planStatus(planned.plan, statusPorts(app)));
  const subject = { ...found, asked: template };
  app.stdout.write(flags.json ? whyJson(subject, app.now()) : renderWhy(subject, streamPaint(app.stdout), app.now()));
  return subject.of.status === "cached" ? 0 : CHANGES_PENDING;
}

/** One step, and all that is known of it. */
interface Subject {
  /** The template as it was named. */
  readonly asked: string;
  readonly plan: Plan;
  readonly step: PlannedStep;
  /** Counted from 1. */
  readonly place: number;
  readonly of: TimedStatus;
  /** Its layer, when it is cached. */
  readonly layer: Layer | undefined;
}

function subjectOf(plan: Plan, name: string, status: PlanStatus): Omit<Subject, "asked"> {
  const { steps } = plan.disk;
  const index = steps.findIndex((step) => step.name === name);
  const [step, of] = [steps[index], status.steps[index]];
  if (step && of) return { plan, step, place: index + 1, of, layer: status.layers[index + 1] };
  const names = steps.map((each) => each.name);
  throw new KvciError("usage", `template "${plan.template}" has no step "${name}"${didYouMean(name, names)}`, {
    hint: names.length > 0 ? `Its steps are ${names.join(", ")}.` : "It has no steps.",
  });
}

/** The explanation for people: what is removed red, what is added green. Ends in a newline. */
function renderWhy({ asked, plan, step, place, of, layer }: Subject, paint: Paint, now: number): string {
  const settings = stepSettings(step);
  const cached = of.status === "cached";
  const label = cached ? paint("green", "✓ cached") : paint("yellow", "● will run");
  const reasons = of.reasons.flatMap((reason) => explainReason(reason).map(visible));
  const follows = of.reasons.find(({ cause }) => cause === "follows")?.input;
  const arch = `--arch ${plan.disk.platform.arch}`;
  return [
    `${label}  ${buildName(plan)}, step ${place} of ${plan.disk.steps.length}: ${visible(step.name)}`,
    `key ${step.key}`,
    ...(settings.length > 0 ? [settings.join(", ")] : []),
    ...(layer ? ["", ...layerLines(layer, now)] : []),
    ...(reasons.length > 0 ? ["", ...reasons.map((line) => paintDiff(line, paint))] : []),
    ...(of.estimateMs === undefined ? [] : ["", `takes about ${formatDuration(of.estimateMs)}`]),
    ...(follows === undefined ? [] : ["", `the cause: kvci-build cache why ${asked} ${follows} ${arch}`]),
    "",
  ].join("\n");
}

function layerLines(layer: Layer, now: number): string[] {
  return [
    `layer ${layer.path}`,
    `${formatBytes(layer.bytes)}, made ${formatAge(now - Date.parse(layer.createdAt))} ago (${layer.createdAt}) ` +
      `for template ${visible(layer.template)} in ${formatDuration(layer.durationMs)}`,
  ];
}

function paintDiff(line: string, paint: Paint): string {
  if (line.startsWith("  -")) return paint("red", line);
  if (line.startsWith("  +")) return paint("green", line);
  return line.startsWith("  @@") ? paint("cyan", line) : line;
}

function whyJson({ plan, step, place, of, layer }: Subject, now: number): string {
  const { reasons, ...status } = of;
  const value = {
    template: plan.template,
    arch: plan.disk.platform.arch,
    position: place,
    ...status,
    settings: stepSettings(step),
    reasons: reasons.map((each) => reasonJson(each, (field: FieldValue) => field)),
    ...(layer ? { layer: { ...layer, ageMs: now - Date.parse(layer.createdAt) } } : {}),
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}
