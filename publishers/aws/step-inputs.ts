import { z } from "zod";
import { checkStepInputs } from "../../src/publish/step-inputs.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import { imagePlan } from "./image-plan.ts";

const plan = z.object({ image: imagePlan });
/** `id` is the image's, or the snapshot's, where planning found it; else it comes from the step that makes it. */
const found = plan.extend({ id: z.string().nullable() });

const schemas = {
  "upload-snapshot": plan.extend({
    /** The snapshot that this one is a delta to. */
    parent: z.object({ snapshot: z.string(), content: z.string() }).nullable(),
  }),
  "register-image": found,
  "copy-image": found.extend({ home: z.string() }),
  "verify-image": found.extend({ shared: z.boolean() }),
  "smoke-test": found,
  "share-snapshot": found.extend({ wanted: z.array(z.string()), former: z.array(z.string()) }),
  "share-image": found.extend({ wanted: z.array(z.string()), former: z.array(z.string()) }),
  "set-parameter": found.extend({
    parameter: z.string(),
    former: z.object({ value: z.string(), dataType: z.string() }).nullable(),
  }),
  "limit-image": found.extend({ months: z.int(), former: z.string().nullable() }),
  "deprecate-former": plan.extend({
    former: z.array(z.object({ id: z.string(), deprecatedAt: z.string().nullable() })),
  }),
};

export type AwsStepKind = keyof typeof schemas;
export type AwsStepInputs<K extends AwsStepKind> = Readonly<z.output<(typeof schemas)[K]>>;
/** A step whose inputs were read. */
export interface AwsStep<K extends AwsStepKind> {
  readonly step: PublishStep;
  readonly inputs: AwsStepInputs<K>;
}

export function isAwsStepKind(kind: string): kind is AwsStepKind {
  return Object.hasOwn(schemas, kind);
}

/** @throws {KvciError} `publish-stale-plan` for inputs that another version of this program wrote. */
export function readInputs<K extends AwsStepKind>(kind: K, step: PublishStep): AwsStep<K> {
  const inputs = checkStepInputs(schemas[kind], step);
  return { step, inputs: inputs as AwsStepInputs<K> };
}
