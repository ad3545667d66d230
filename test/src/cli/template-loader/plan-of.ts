import { join } from "node:path";
import { loadTemplate } from "../../../../src/cli/template-loader/load.ts";
import { TEMPLATES_DIR } from "../../../../src/cli/template-loader/own-files.ts";
import type { Arch } from "../../../../src/core/platform.ts";
import { EMPTY_LOCK } from "../../../../src/core/lock.ts";
import { makePlan, type Plan } from "../../../../src/core/plan.ts";
import { seal } from "../../../../src/steps/seal.ts";

/** The plan of one of our templates as `--plan` makes it on a machine that has built nothing yet. */
export async function planOf(name: string, arch: Arch): Promise<Plan> {
  const { template, sources } = await loadTemplate(join(TEMPLATES_DIR, `${name}.ts`), { cwd: process.cwd() });
  return makePlan({ template, arch, lock: EMPTY_LOCK, files: sources, seal: seal() });
}
