import type { Arch } from "../../../src/core/platform.ts";
import { makePlan, type Plan } from "../../../src/core/plan.ts";
import type { Template } from "../../../src/core/template.ts";
import { seal } from "../../../src/steps/seal.ts";
import { syntheticLock } from "../../fakes/synthetic-lock.ts";

/** The plan of a node's template, with a lock that has made-up digests. */
export function planOfNode(template: Template, arch: Arch = "amd64"): Plan {
  return makePlan({ template, arch, lock: syntheticLock(template, arch), files: new Map(), seal: seal() });
}
