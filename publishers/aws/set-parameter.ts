import { KvciError } from "../../src/core/error.ts";
import type { AwsCaller } from "../../src/aws/aws-caller.ts";
import type { ImagePlan } from "./image-plan.ts";
import { readParameters } from "./observe-region.ts";
import { IMAGE_TYPE } from "./parameters.ts";
import type { ParameterState } from "./state.ts";
import { imageOf, unlessGone, VISIBLE_MS, type StepHandler, type StepPorts } from "./step-handler.ts";
import { tagsOf } from "./tags.ts";

interface Where {
  readonly parameter: string;
  readonly region: string;
  readonly caller: AwsCaller;
  readonly signal: AbortSignal;
}

/** Points an SSM parameter at the image. What it said before is noted, and put back by an undo. */
export function setParameter(ports: StepPorts): StepHandler<"set-parameter"> {
  return {
    run: async (set, context) => {
      const image = await imageOf(set, ports, context);
      const { parameter } = set.inputs;
      const where = { parameter, region: set.step.place, caller: ports.caller, signal: context.signal };
      const former = await valueOf(where);
      if (former && former.dataType !== IMAGE_TYPE) throw otherType(where, former);
      if (former?.value !== image) await put(image, former ? undefined : set.inputs.image, where);
      return { parameter, value: image, former };
    },
    undo: async (set, result, context) => {
      const { parameter } = set.inputs;
      const where = { parameter, region: set.step.place, caller: ports.caller, signal: context.signal };
      const now = await valueOf(where);
      const written = result?.["value"] ?? (await imageOf(set, ports, context).catch(unlessGone));
      // Moved on by somebody else: theirs to move back.
      if (now === null || now.value !== written) return;
      await restore(result === undefined ? set.inputs.former : (result["former"] as ParameterState | null), now, where);
    },
  };
}

async function restore(former: ParameterState | null, now: ParameterState, where: Where): Promise<void> {
  if (former === null) await remove(where);
  else if (former.value !== now.value) await put(former.value, undefined, where);
}

async function valueOf({ parameter, ...place }: Where): Promise<ParameterState | null> {
  const { region, caller, signal } = place;
  return (await readParameters([parameter], { region, caller, options: { signal } }))[parameter] ?? null;
}

/** @param owner for a new parameter: SSM takes tags only then, and does not overwrite what somebody else has just made. */
async function put(Value: string, owner: ImagePlan | undefined, where: Where): Promise<void> {
  const { parameter, region, caller, signal } = where;
  const how = owner ? { Overwrite: false, Tags: tagsOf(owner) } : { Overwrite: true };
  const input = { Name: parameter, Value, Type: "String", DataType: IMAGE_TYPE, ...how } as const;
  const answer = await caller.ask(
    { action: "ssm:PutParameter", region, input },
    { signal, absentForMs: VISIBLE_MS, isExpected: ({ code }) => code === "ParameterAlreadyExists" },
  );
  if ("output" in answer) return;
  // By an earlier attempt whose answer was lost, or by another run of the same release.
  const there = await valueOf(where);
  if (there?.value !== Value) await put(Value, undefined, where);
}

async function remove({ parameter, region, caller, signal }: Where): Promise<void> {
  await caller.find({ action: "ssm:DeleteParameter", region, input: { Name: parameter } }, { signal });
}

function otherType({ parameter, region }: Where, { dataType, value }: ParameterState): KvciError {
  return new KvciError("publish-conflict", `the parameter ${parameter} in ${region} is of type ${dataType}`, {
    hint: "It is somebody else's: choose another ssmPrefix.",
    evidence: [`its value: ${value.slice(0, 200)}`],
  });
}
