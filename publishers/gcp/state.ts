import type { JsonValue } from "../../src/publish/json.ts";
import { linkPath, stateOf, type ComputeImage } from "../../src/gcp/compute.ts";
import type { StoredObject } from "../../src/gcp/storage.ts";
import { descriptionOf, labelsOf, type ImagePlan } from "./image-plan.ts";

/** What is there of one wanted image; plain data. */
export type ImageState = {
  readonly name: string;
  readonly image: {
    readonly selfLink: string;
    readonly status: string;
    /** It is the one that is wanted, by content and attributes. */
    readonly own: boolean;
    readonly content: string | null;
    readonly state: string;
    readonly family: string | null;
    readonly createdAt: string;
    readonly smoke: boolean;
  } | null;
  /** Who may use the image; null without one. */
  readonly members: readonly string[] | null;
  readonly upload: { readonly generation: string; readonly bytes: number } | null;
  readonly export: {
    readonly generation: string;
    readonly own: boolean;
    readonly content: string | null;
    readonly public: boolean;
  } | null;
  /** Our images of the family that users may still start, other than this one and not newer. */
  readonly former: readonly string[];
  /** What the family stands for now. */
  readonly familyImage: string | null;
};

export type GcpState = { readonly images: readonly ImageState[] } & { readonly [key: string]: JsonValue };

export const USER_ROLE = "roles/compute.imageUser";
/** What tells a smoke test that passed; on the image itself, so that it counts on every machine. */
export const SMOKE_LABEL = "kvci-smoke";
export const EVERYONE = "allUsers";

/** Content and attributes are those of the plan: the labels for looking, the description for certainty. */
export function isOwn(image: ComputeImage, plan: ImagePlan): boolean {
  const labels = labelsOf(plan);
  const identity = ["kvci-managed", "kvci-content", "kvci-attrs"];
  return identity.every((key) => image.labels[key] === labels[key]) && image.description === descriptionOf(plan);
}

export function imageStateOf(image: ComputeImage, plan: ImagePlan): NonNullable<ImageState["image"]> {
  return {
    selfLink: linkPath(image.selfLink),
    status: image.status,
    own: isOwn(image, plan),
    content: image.labels["kvci-content"] ?? null,
    state: stateOf(image),
    family: image.family ?? null,
    createdAt: image.creationTimestamp,
    smoke: image.labels[SMOKE_LABEL] === "passed",
  };
}

export function exportStateOf(object: StoredObject, plan: ImagePlan): NonNullable<ImageState["export"]> {
  return {
    generation: object.generation,
    own: object.metadata["kvci-content"] === plan.content,
    content: object.metadata["kvci-content"] ?? null,
    public: isReadByAll(object),
  };
}

export function isReadByAll({ acl }: Pick<StoredObject, "acl">): boolean {
  return acl?.some(({ entity }) => entity === EVERYONE) ?? false;
}
