import { KvciError } from "../../src/core/error.ts";
import { linkPath, stateOf } from "../../src/gcp/compute.ts";
import type { StepResult } from "../../src/publish/step.ts";
import type { ImagePlan } from "./image-plan.ts";
import { watchOf } from "./insert-image.ts";
import type { StepHandler, StepPorts } from "./step-handler.ts";
import { changed, type Watch } from "./watch.ts";

/** Puts the image into its family: from then on the family stands for it. What it stood for before is remembered first. */
export function setFamily(ports: StepPorts): StepHandler<"set-family"> {
  return {
    run: async ({ step, inputs: { image } }, context) => {
      const watch = watchOf(ports, context);
      const family = image.family ?? "";
      const current = await watch.compute.familyImage(family);
      const former = current ? linkPath(current.selfLink) : null;
      await context.remember(`${step.id}/former`, former);
      const own = await watch.compute.image(image.name);
      if (!own) throw gone(image);
      if (own.family !== family) await putInto(family, image, watch);
      const now = await watch.compute.familyImage(family);
      if (now && now.name !== image.name) {
        const detail = `still stands for ${now.name}, which is newer and not deprecated`;
        context.journal.emit({ type: "warning", subject: `family ${family}`, detail });
      }
      return { family, former, formerFamily: own.family ?? null };
    },
    undo: async ({ inputs: { image, former } }, _result, context) => {
      const watch = watchOf(ports, context);
      const own = await watch.compute.image(image.name);
      if (own && (own.family ?? null) !== former) await putInto(former, image, watch);
    },
  };
}

function putInto(family: string | null, { name }: ImagePlan, watch: Watch): Promise<void> {
  return changed("compute.images.update", (id) => watch.compute.setFamily(name, family, id), watch);
}

/** Deprecates what the family stood for, and says what to use instead. */
export function deprecateFormer(ports: StepPorts): StepHandler<"deprecate-former"> {
  return {
    run: async ({ inputs: { image, former } }, context) => {
      const watch = watchOf(ports, context);
      const own = await watch.compute.image(image.name);
      if (!own) throw gone(image);
      const body = {
        state: "DEPRECATED",
        replacement: own.selfLink,
        // Nobody but us notes when it was: retention counts from then.
        deprecated: new Date(ports.now()).toISOString(),
      } as const;
      const deprecated: string[] = [];
      for (const name of former) {
        const each = await watch.compute.image(name);
        if (!each || stateOf(each) !== "ACTIVE") continue;
        await changed("compute.images.deprecate", (id) => watch.compute.deprecateImage(name, body, id), watch);
        deprecated.push(name);
      }
      return { deprecated } satisfies StepResult;
    },
    undo: async ({ inputs: { image, former } }, _result, context) => {
      const watch = watchOf(ports, context);
      for (const name of former) {
        const each = await watch.compute.image(name);
        // Deprecated by this release, not by somebody else since.
        const replacement = linkPath(each?.deprecated?.replacement ?? "");
        if (replacement !== `projects/${image.project}/global/images/${image.name}`) continue;
        await changed(
          "compute.images.deprecate",
          (id) => watch.compute.deprecateImage(name, { state: "ACTIVE" }, id),
          watch,
        );
      }
    },
  };
}

function gone({ name, project }: ImagePlan): KvciError {
  return new KvciError("publish-failed", `the image ${name} is gone from ${project}`, {
    hint: "Run the same command again: it is made anew.",
  });
}
