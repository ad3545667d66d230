import { KvciError } from "../../src/core/error.ts";
import type { Compute, ComputeImage } from "../../src/gcp/compute.ts";
import { linkPath } from "../../src/gcp/compute.ts";
import { statusBehind } from "../../src/gcp/gcp-errors.ts";
import { watchOf } from "./insert-image.ts";
import { isOwn, SMOKE_LABEL } from "./state.ts";
import type { StepHandler, StepPorts } from "./step-handler.ts";
import { ended, type Watch } from "./watch.ts";

/** Somebody else may change labels in between; not over and over. */
const MOST_TRIES = 5;

/** Boots the private image and says so on the image itself. */
export function smokeTest(ports: StepPorts): StepHandler<"smoke-test"> {
  const { smoke, target, buildOf } = ports;
  return {
    run: async ({ inputs: { image: plan } }, context) => {
      const watch = watchOf(ports, context);
      const image = await watch.compute.image(plan.name);
      if (!smoke || target.smokeZone === undefined || !image || !isOwn(image, plan)) throw cannotBoot(plan.name);
      const { journal, signal } = context;
      const request = {
        build: buildOf(plan),
        place: target.smokeZone,
        image: linkPath(image.selfLink),
        journal,
        signal,
      };
      const result = await smoke(request);
      await relabelled(plan.name, (labels) => ({ ...labels, [SMOKE_LABEL]: "passed" }), watch);
      return { ...result };
    },
    undo: async ({ inputs: { image: plan } }, _result, context) => {
      const watch = watchOf(ports, context);
      await relabelled(plan.name, withoutSmoke, watch);
    },
  };
}

type Labels = ComputeImage["labels"];

function withoutSmoke(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => key !== SMOKE_LABEL));
}

async function relabelled(name: string, edit: (labels: Labels) => Labels, watch: Watch): Promise<void> {
  for (let left = MOST_TRIES; ; left -= 1) {
    const image = await watch.compute.image(name);
    if (!image || sameLabels(edit(image.labels), image.labels)) return;
    try {
      await setLabels(image, edit(image.labels), watch);
      return;
    } catch (error) {
      if (statusBehind(error) !== 412 || left === 1) throw error;
    }
  }
}

async function setLabels(image: ComputeImage, labels: Labels, watch: Watch): Promise<void> {
  const { labelFingerprint, name } = image;
  const operation: Awaited<ReturnType<Compute["setLabels"]>> = await watch.compute.setLabels(name, {
    labels,
    labelFingerprint,
  });
  await ended(operation, "compute.images.setLabels", watch);
}

function sameLabels(one: Labels, other: Labels): boolean {
  return one[SMOKE_LABEL] === other[SMOKE_LABEL];
}

function cannotBoot(name: string): KvciError {
  return new KvciError("publish-failed", `${name} cannot be booted: the image, its zone or the test is missing`, {
    hint: "Set smokeZone in the environment, and make a new plan.",
  });
}
