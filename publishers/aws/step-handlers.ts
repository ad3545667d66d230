import type { PublishContext } from "../../src/publish/publisher.ts";
import type { PublishStep, StepResult } from "../../src/publish/step.ts";
import { smokeTest, verifyImage } from "./check-image.ts";
import { copyImage } from "./copy-image.ts";
import { deprecateFormer, limitImage } from "./deprecate-image.ts";
import { registerImage } from "./register-image.ts";
import { setParameter } from "./set-parameter.ts";
import { share } from "./share-image.ts";
import type { StepHandler, StepPorts } from "./step-handler.ts";
import { readInputs, type AwsStepKind } from "./step-inputs.ts";
import { uploadSnapshot } from "./upload-snapshot.ts";

type Handlers = { readonly [K in AwsStepKind]: StepHandler<K> };

export interface StepRunner {
  run(kind: AwsStepKind, step: PublishStep, context: PublishContext): Promise<StepResult>;
  undo(kind: AwsStepKind, step: PublishStep, past: Past): Promise<void>;
}

export interface Past {
  readonly result: StepResult | undefined;
  readonly context: PublishContext;
}

/** Everything that a step can be. */
export function stepRunner(ports: StepPorts): StepRunner {
  const handlers: Handlers = {
    "upload-snapshot": uploadSnapshot(ports),
    "register-image": registerImage(ports),
    "copy-image": copyImage(ports),
    "verify-image": verifyImage(ports),
    "smoke-test": smokeTest(ports),
    "share-snapshot": share("share-snapshot", ports),
    "share-image": share("share-image", ports),
    "set-parameter": setParameter(ports),
    "limit-image": limitImage(ports),
    "deprecate-former": deprecateFormer(ports),
  };
  const handlerOf = <K extends AwsStepKind>(kind: K): StepHandler<K> => handlers[kind];
  return {
    run: (kind, step, context) => handlerOf(kind).run(readInputs(kind, step), context),
    undo: (kind, step, { result, context }) => handlerOf(kind).undo(readInputs(kind, step), result, context),
  };
}
