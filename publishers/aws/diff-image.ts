import type { PublishStep } from "../../src/publish/step.ts";
import type { Spot } from "./spot.ts";
import { mismatches, type ImageState } from "./image-state.ts";
import { awsStep, imageLabel, stepId } from "./make-step.ts";
import { copiers, launchers, EVERYBODY } from "./permissions.ts";
import { hasTagsOf } from "./tags.ts";

const GIB = 1024 ** 3;
const BLOCK_BYTES = 512 * 1024;
/** Minutes that a boot and the checks take, about. */
const SMOKE_MINUTES = 15;

function ownAvailable({ region, plan }: Spot): ImageState | undefined {
  const image = region.own[plan.name]?.image;
  return image?.state === "pending" ? undefined : image;
}

/** Upload and registration, where the image is not there yet. */
export function homeSteps(spot: Spot): readonly PublishStep[] {
  const { plan, region } = spot;
  if (ownAvailable(spot)) return [];
  const snapshot = region.snapshots.find((each) => each.state === "completed" && hasTagsOf(each.tags, plan));
  const isPending = region.own[plan.name] !== undefined;
  const upload = snapshot || isPending ? [] : [uploadStep(spot)];
  const register = awsStep(spot, "register-image", {
    phase: "register",
    title: `register "${plan.name}"`,
    inputs: { image: plan, id: snapshot?.id ?? null },
    needs: upload.map(({ id }) => id),
    quantities: {},
  });
  return [...upload, register];
}

function uploadStep(spot: Spot): PublishStep {
  const { plan, state } = spot;
  const bytes = state.fileBytes[plan.name] ?? 0;
  const parent = state.parents[plan.name] ?? null;
  return awsStep(spot, "upload-snapshot", {
    phase: "stage",
    title: `upload the disk of ${imageLabel(spot)}${parent ? `, as a delta to ${parent.snapshot}` : ""}`,
    inputs: { image: plan, parent },
    quantities: { bytes, requests: Math.ceil(bytes / BLOCK_BYTES), ...storage(bytes) },
  });
}

function storage(bytes: number): Readonly<Record<string, number>> {
  return { "GiB-months of snapshots": Number((bytes / GIB).toFixed(2)) };
}

/** The copy in a region that has none, or in one that nobody knows of. */
export function copySteps(spot: Spot, home: Spot): readonly PublishStep[] {
  const { plan, state, target } = spot;
  if (ownAvailable(spot)) return [];
  const bytes = state.fileBytes[plan.name] ?? 0;
  const source = ownAvailable(home);
  return [
    awsStep(spot, "copy-image", {
      phase: "replicate",
      title: `copy "${plan.name}" from ${target.region}`,
      inputs: { image: plan, id: source?.id ?? null, home: target.region },
      needs: source ? [] : [stepId(home, "register-image")],
      quantities: { copies: 1, "GiB between regions": Number((bytes / GIB).toFixed(2)), ...storage(bytes) },
    }),
  ];
}

/** An image that is there, or the step that makes it. */
export function existing(
  spot: Spot,
  made: readonly PublishStep[],
): { readonly id: string | null; readonly needs: string[] } {
  const makers = [stepId(spot, "register-image"), stepId(spot, "copy-image")];
  const maker = made.find(({ id }) => makers.includes(id));
  const own = spot.region.own[spot.plan.name];
  return maker ? { id: null, needs: [maker.id] } : { id: own?.image.id ?? null, needs: [] };
}

/** Reading back: of what is made, of what is about to be seen by others, and of what is not as it should be. */
export function verifySteps(spot: Spot, steps: readonly PublishStep[]): readonly PublishStep[] {
  const { plan, region, target } = spot;
  const own = region.own[plan.name];
  const isTouched = steps.some(({ id, phase }) => phase !== "stage" && id.startsWith(stepId(spot, "")));
  const isWrong = own !== undefined && own.image.state !== "pending" && mismatches(plan, own.image).length > 0;
  if (!isTouched && !isWrong) return [];
  const { id, needs } = existing(spot, steps);
  return [
    awsStep(spot, "verify-image", {
      phase: "verify",
      title: `read back every attribute of ${imageLabel(spot)}`,
      inputs: { image: plan, id, shared: launchers(target).length > 0 },
      needs,
      quantities: {},
      reversible: false,
    }),
  ];
}

/** A boot, before anybody sees the image or is pointed at it. */
export function smokeSteps(home: Spot, steps: readonly PublishStep[]): readonly PublishStep[] {
  const isComing = steps.some(({ kind, exposes }) => exposes || kind === "register-image");
  if (!home.smoke || !isComing) return [];
  const { id, needs } = existing(home, steps);
  return [
    awsStep(home, "smoke-test", {
      phase: "smoke",
      title: `boot ${imageLabel(home)} and run its checks`,
      inputs: { image: home.plan, id },
      needs,
      quantities: { "instance-minutes": SMOKE_MINUTES },
      reversible: false,
    }),
  ];
}

/** Permissions as declared: those that are missing are given, others are taken. The snapshot's come first. */
export function shareSteps(
  spot: Spot,
  { made, after }: { readonly made: readonly PublishStep[]; readonly after: readonly PublishStep[] },
): readonly PublishStep[] {
  const { plan, region, target } = spot;
  const { id, needs } = existing(spot, made);
  const own = id === null ? undefined : region.own[plan.name];
  const [toLaunch, toCopy] = [launchers(target), copiers(target)];
  const share = (kind: "share-snapshot" | "share-image", wanted: readonly string[], former: readonly string[]) =>
    isSame(wanted, former)
      ? []
      : [
          awsStep(spot, kind, {
            phase: "publish",
            title: `${kind === "share-image" ? "image" : "snapshot"} of ${imageLabel(spot)}: ${shareText(wanted)}`,
            inputs: { image: plan, id, wanted: [...wanted], former: [...former] },
            needs,
            quantities: {},
            exposes: wanted.length > 0,
          }),
        ];
  const snapshot = share("share-snapshot", toCopy, own?.copiers ?? []);
  const image = share("share-image", toLaunch, own?.launchers ?? []);
  const before = [...after, ...snapshot].map((step) => step.id);
  return [...snapshot, ...image.map((step) => ({ ...step, needs: [...step.needs, ...before] }))];
}

function isSame(wanted: readonly string[], former: readonly string[]): boolean {
  return wanted.length === former.length && wanted.every((name) => former.includes(name));
}

function shareText(wanted: readonly string[]): string {
  if (wanted.includes(EVERYBODY)) return "public";
  return wanted.length === 0 ? "private" : `for ${wanted.join(", ")}`;
}
