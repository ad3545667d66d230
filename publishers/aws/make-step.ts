import type { JsonValue } from "../../src/publish/json.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import type { Spot } from "./spot.ts";
import type { AwsStepInputs, AwsStepKind } from "./step-inputs.ts";

type Parts<K extends AwsStepKind> = Pick<PublishStep, "phase" | "title" | "quantities"> &
  Partial<Pick<PublishStep, "needs" | "reversible" | "exposes">> & {
    readonly inputs: AwsStepInputs<K>;
    /** Tells steps of one kind at one place apart. */
    readonly suffix?: string;
  };

/** `quickstart amd64`: how titles call an image. */
export function imageLabel({ plan: { template, arch } }: Pick<Spot, "plan">): string {
  return `${template} ${arch}`;
}

export function awsStep<K extends AwsStepKind>(spot: Spot, kind: K, parts: Parts<K>): PublishStep {
  const { suffix, phase, title, quantities, needs = [], reversible = true, exposes = false } = parts;
  return {
    id: stepId(spot, suffix === undefined ? kind : `${kind}-${suffix}`),
    phase,
    kind,
    target: spot.target.name,
    place: spot.region.region,
    required: spot.region.required,
    title,
    inputs: parts.inputs as JsonValue,
    needs,
    quantities,
    reversible,
    exposes,
  };
}

/** The same for the same thing in every run: `aws/us-east-1/quickstart-amd64/register-image`. */
export function stepId({ target, region, plan }: Pick<Spot, "target" | "region" | "plan">, last: string): string {
  return [target.name, region.region, `${plan.template}-${plan.arch}`, last].join("/");
}
