import { canonicalJson } from "../../src/core/canonical-json.ts";
import type { Compute, ImagePolicy } from "../../src/gcp/compute.ts";
import { statusBehind } from "../../src/gcp/gcp-errors.ts";
import { membersIn } from "./observe.ts";
import { USER_ROLE } from "./state.ts";
import type { StepHandler, StepPorts } from "./step-handler.ts";

/** Somebody else may change the policy in between; not over and over. */
const MOST_TRIES = 5;

/** Gives the right to use the image to exactly those who are declared: others lose it. Other roles are not touched. */
export function shareImage({ compute }: StepPorts): StepHandler<"share-image"> {
  return {
    run: async ({ inputs: { image, wanted } }, { signal }) => {
      const former = await setMembers(image.name, wanted, compute(signal));
      return { former: [...former], members: [...wanted] };
    },
    undo: async ({ inputs: { image, former } }, _result, { signal }) => {
      const there = await compute(signal).image(image.name);
      if (there) await setMembers(image.name, former, compute(signal));
    },
  };
}

/** @returns who had the right before. */
async function setMembers(name: string, wanted: readonly string[], compute: Compute): Promise<readonly string[]> {
  for (let left = MOST_TRIES; ; left -= 1) {
    const policy = await compute.imagePolicy(name);
    const former = membersIn(policy);
    if (canonicalJson(former) === canonicalJson(wanted)) return former;
    try {
      await compute.setImagePolicy(name, withMembers(policy, wanted));
      return former;
    } catch (error) {
      // Changed since it was read: read it again.
      if (statusBehind(error) !== 412 || left === 1) throw error;
    }
  }
}

function withMembers(policy: ImagePolicy, members: readonly string[]): ImagePolicy {
  const others = policy.bindings.filter(({ role, condition }) => role !== USER_ROLE || condition !== undefined);
  const ours = members.length > 0 ? [{ role: USER_ROLE, members: [...members] }] : [];
  return { ...policy, bindings: [...others, ...ours] };
}
