import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { SpanKind } from "../core/event.ts";
import { writing } from "../core/file-system-error.ts";
import { rememberedPlan, type FormerPlan } from "../core/former-plan.ts";
import type { Plan } from "../core/plan.ts";
import type { Durations } from "../core/plan-estimate.ts";
import type { Arch } from "../core/platform.ts";
import { writeFileAtomic } from "./atomic.ts";
import { digestSchema as digest, platformSchema as platform } from "../core/record-schemas.ts";

/** What is remembered of a template's builds on one architecture. It explains and estimates; no layer is chosen by it. */
export interface BuildHistory {
  /** The plan that was built last, or tried. */
  readonly plan?: FormerPlan | undefined;
  readonly durations: Durations;
}

/** How long a span took that ended well. */
export interface SpanDuration {
  readonly kind: SpanKind;
  readonly name: string;
  /** Milliseconds. */
  readonly durationMs: number;
}

/** The middle of that many is not moved by one slow day. */
const TIMES_KEPT = 5;
/** Names change while a template is written; those not seen for longest are dropped. */
const NAMES_KEPT = 1_000;

const count = z.number().min(0);
const field = z.union([z.string(), z.number(), z.array(z.string()), z.object({ digest, bytes: count })]);
const step = z.object({
  name: z.string(),
  key: digest,
  ops: z.array(z.object({ kind: z.string(), fields: z.record(z.string(), field) })),
  freshBoot: z.boolean().optional(),
  finished: z.boolean(),
});
const plan = z.object({
  keyFormatVersion: z.int(),
  platform,
  base: digest,
  virtualBytes: count,
  bootKey: digest,
  steps: z.array(step),
});
const historySchema = z.object({
  schema: z.literal("kvci-build/history"),
  version: z.literal(1),
  plan: plan.optional(),
  durations: z.record(z.string(), z.array(count).max(TIMES_KEPT)),
});

/** What is remembered of a template; nothing where that cannot be read, for it is only ever a help. */
export async function readHistory(root: string, template: string, arch: Arch): Promise<BuildHistory> {
  try {
    const text = await readFile(historyPath(root, template, arch), "utf8");
    const { plan: former, durations } = historySchema.parse(JSON.parse(text));
    return { plan: former, durations };
  } catch {
    return { durations: {} };
  }
}

/**
 * Remembers the plan of a build that starts, so that even a failed build explains the next one.
 *
 * @param options.cachedSteps how many steps, from the first, the store has layers of.
 * @throws {KvciError} `store-full`, `store-unusable`
 */
export async function rememberPlan(
  root: string,
  current: Plan,
  { cachedSteps = 0 }: { readonly cachedSteps?: number } = {},
): Promise<void> {
  const { arch } = current.disk.platform;
  const { plan: former, durations } = await readHistory(root, current.template, arch);
  const finished = new Set([
    ...(former?.steps ?? []).filter((each) => each.finished).map(({ key }) => key),
    ...current.disk.steps.slice(0, cachedSteps).map(({ key }) => key),
  ]);
  const next = rememberedPlan(current, (key) => finished.has(key));
  await writeHistory(root, { template: current.template, arch }, { plan: next, durations });
}

/**
 * Remembers how long spans took that ended well: for steps also that they did. To be called as they end, or once for all.
 *
 * @throws {KvciError} `store-full`, `store-unusable`
 */
export async function rememberDurations(
  root: string,
  { template, arch }: { readonly template: string; readonly arch: Arch },
  times: readonly SpanDuration[],
): Promise<void> {
  const { plan: former, durations } = await readHistory(root, template, arch);
  const ended = new Set(times.filter(({ kind }) => kind === "step").map(({ name }) => name));
  const next = former && {
    ...former,
    steps: former.steps.map((each) => (ended.has(each.name) ? { ...each, finished: true } : each)),
  };
  await writeHistory(root, { template, arch }, { plan: next, durations: withTimes(durations, times) });
}

/** The times known by now, those just measured last. */
function withTimes(known: Durations, times: readonly SpanDuration[]): Durations {
  const names = new Map(Object.entries(known));
  for (const { kind, name, durationMs } of times) {
    const span = `${kind} ${name}`;
    const all = [...(names.get(span) ?? []), Math.max(0, Math.round(durationMs))];
    // Deleted first, so that what was seen last is the last to be dropped.
    names.delete(span);
    names.set(span, all.slice(-TIMES_KEPT));
  }
  return Object.fromEntries([...names].slice(-NAMES_KEPT));
}

async function writeHistory(
  root: string,
  { template, arch }: { readonly template: string; readonly arch: Arch },
  history: BuildHistory,
): Promise<void> {
  const path = historyPath(root, template, arch);
  const value = { schema: "kvci-build/history", version: 1, ...history };
  await writing(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, `${JSON.stringify(value)}\n`);
  });
}

/** Template names are fit for file names by their schema. */
function historyPath(root: string, template: string, arch: Arch): string {
  return join(root, "history", `${template}-${arch}.json`);
}
