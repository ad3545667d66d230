import { localDisk, fromTemplate } from "../../../src/core/base.ts";
import { sha256 } from "../../../src/core/digest.ts";
import { EMPTY_LOCK } from "../../../src/core/lock.ts";
import { run } from "../../../src/core/op-makers.ts";
import { makePlan } from "../../../src/core/plan.ts";
import type { Arch } from "../../../src/core/platform.ts";
import { defineStep, type Step } from "../../../src/core/step.ts";
import { volatile } from "../../../src/core/step-settings.ts";
import { defineTemplate } from "../../../src/core/template.ts";
import type { PlannedTemplate } from "../../../src/cli/plans.ts";
import { seal } from "../../../src/steps/seal.ts";

export interface PlannedOptions {
  readonly arch?: Arch;
  readonly parent?: PlannedTemplate;
  readonly file?: string;
  /** What the base's disk holds. */
  readonly disk?: string;
}

/** A planned template of such steps; `!` before a name makes the step one that is never kept. */
export function plannedOf(name: string, steps: readonly string[], options: PlannedOptions = {}): PlannedTemplate {
  const { arch = "amd64", parent, disk = "disk", file = `/templates/${name}.ts` } = options;
  const base = parent
    ? fromTemplate(parent.plan.template)
    : localDisk("disk.raw", { distribution: "debian", release: "12" });
  const template = defineTemplate({ name, base, arches: ["amd64", "arm64"], steps: steps.map(stepOf) });
  const source = { absolutePath: "/disk.raw", digest: sha256(disk), bytes: disk.length };
  const files = new Map([["disk.raw", source]]);
  const plan = makePlan({ template, arch, lock: EMPTY_LOCK, files, parent: parent?.plan, seal: seal() });
  const loaded = { template, file, dir: "/templates", sources: files, parent: parent?.loaded };
  return { loaded, plan, parent, sources: new Map(), locked: false };
}

function stepOf(name: string): Step {
  const plain = name.replace("!", "");
  const step = defineStep(plain, [run("echo", plain)]);
  return name.startsWith("!") ? volatile(step) : step;
}
