import { z } from "zod";
import { checkStepInputs } from "../../src/publish/step-inputs.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import { imagePlan } from "./image-plan.ts";

const plan = z.object({ image: imagePlan });

const schemas = {
  "upload-tarball": plan,
  "insert-image": plan,
  "copy-export": plan,
  "drop-upload": plan,
  "verify-image": plan,
  "smoke-test": plan,
  "share-image": plan.extend({ wanted: z.array(z.string()), former: z.array(z.string()) }),
  "share-export": plan,
  "set-family": plan.extend({ former: z.string().nullable() }),
  "deprecate-former": plan.extend({ former: z.array(z.string()) }),
};

export type GcpStepKind = keyof typeof schemas;
export type GcpStepInputs<K extends GcpStepKind> = Readonly<z.output<(typeof schemas)[K]>>;
/** A step whose inputs were read. */
export interface GcpStep<K extends GcpStepKind> {
  readonly step: PublishStep;
  readonly inputs: GcpStepInputs<K>;
}

export function isGcpStepKind(kind: string): kind is GcpStepKind {
  return Object.hasOwn(schemas, kind);
}

/** @throws {KvciError} `publish-stale-plan` for inputs that another version of this program wrote. */
export function readInputs<K extends GcpStepKind>(kind: K, step: PublishStep): GcpStep<K> {
  const inputs = checkStepInputs(schemas[kind], step);
  return { step, inputs: inputs as GcpStepInputs<K> };
}
