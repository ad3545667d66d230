import fc from "fast-check";
import type { Digest } from "../../../src/core/digest.ts";
import type { Op } from "../../../src/core/op.ts";
import type { Plan, SourceFile } from "../../../src/core/plan.ts";
import { makePlan, type PlanInput } from "../../../src/core/plan.ts";
import { defineStep, type Step } from "../../../src/core/step.ts";
import { defineTemplate, type TemplateInput } from "../../../src/core/template.ts";
import { packages } from "../../../src/core/base.ts";
import { EMPTY_LOCK } from "../../../src/core/lock.ts";
import { run } from "../../../src/core/op-makers.ts";

/** Anything a caller without types may pass, JSON or not. */
export const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSparseArray: true,
  stringUnit: "binary",
});

export const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex): Digest => `sha256:${hex}`);

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,6}$/);
const path = fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => `/${words.join("/")}`);
const argv = fc.array(word, { minLength: 1, maxLength: 4 });
const mode = fc.integer({ min: 0, max: 0o7777 });
const owner = fc.tuple(word, word).map(([user, group]) => `${user}:${group}`);
const timeoutMs = fc.integer({ min: 1, max: 1_000_000 });

/** The files that generated copy-in ops name. */
const SOURCES = ["files/a", "files/b"] as const;

export const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ kind: fc.constant("run" as const), argv }),
  fc.record({ kind: fc.constant("run" as const), argv, timeoutMs }),
  fc.record({ kind: fc.constant("write-file" as const), path, content: text, mode, owner }),
  fc.record({ kind: fc.constant("copy-in" as const), source: fc.constantFrom(...SOURCES), path, mode, owner }),
  fc.record({ kind: fc.constant("reboot" as const), timeoutMs }),
  fc.record({ kind: fc.constant("wait-for" as const), argv, reason: word, timeoutMs, intervalMs: timeoutMs }),
);

/** Op lists of a template's steps. */
export const opLists = fc.array(fc.array(op, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 });

export function stepsOf(lists: readonly (readonly Op[])[], prefix = "step"): Step[] {
  return lists.map((ops, index) => defineStep(`${prefix}-${String(index)}`, ops));
}

export const files: ReadonlyMap<string, SourceFile> = new Map(
  SOURCES.map((source, index) => [
    source,
    { absolutePath: `/x/${source}`, bytes: 1, digest: `sha256:${String(index).repeat(64)}` } as const,
  ]),
);

export const BASE: Digest = `sha256:${"b".repeat(64)}`;

/** Plans a template that says no more than `changes` on a base of packages. */
export function plan(changes: Partial<TemplateInput> = {}, input: Partial<PlanInput> = {}): Plan {
  const base = packages({ distribution: "debian", release: "12" });
  const template = defineTemplate({ name: "t", base, arches: ["amd64", "arm64", "s390x"], ...changes });
  const seal = defineStep("seal", [run("sync")]);
  return makePlan({ template, arch: "amd64", lock: EMPTY_LOCK, files, packagesBase: BASE, seal, ...input });
}

/** The keys of a plan's steps. */
export function keysOf({ disk }: Plan): Digest[] {
  return disk.steps.map(({ key }) => key);
}
