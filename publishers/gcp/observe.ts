import { bounded } from "../../src/core/bounded.ts";
import { linkPath, stateOf, type Compute } from "../../src/gcp/compute.ts";
import type { Storage } from "../../src/gcp/storage.ts";
import type { ImagePlan } from "./image-plan.ts";
import { exportStateOf, imageStateOf, USER_ROLE, type GcpState, type ImageState } from "./state.ts";

export interface Place {
  readonly compute: Compute;
  readonly storage: Storage;
}

const AT_ONCE = 4;

/** Reads what is there of the wanted images. */
export async function observeGcp(plans: readonly ImagePlan[], place: Place): Promise<GcpState> {
  return { images: await bounded(plans, AT_ONCE, (plan) => observeImage(plan, place)) };
}

async function observeImage(plan: ImagePlan, { compute, storage }: Place): Promise<ImageState> {
  const [image, upload, exported] = await Promise.all([
    compute.image(plan.name),
    storage.object(plan.upload),
    plan.export === null ? undefined : storage.object(plan.export.object),
  ]);
  return {
    name: plan.name,
    image: image ? imageStateOf(image, plan) : null,
    members: image ? membersIn(await compute.imagePolicy(plan.name)) : null,
    upload: upload ? { generation: upload.generation, bytes: Number(upload.size) } : null,
    export: exported ? exportStateOf(exported, plan) : null,
    ...(await observeFamily(plan, { compute, createdAt: image?.creationTimestamp })),
  };
}

async function observeFamily(
  { family, name, arch }: ImagePlan,
  { compute, createdAt }: { readonly compute: Compute; readonly createdAt: string | undefined },
): Promise<Pick<ImageState, "former" | "familyImage">> {
  if (family === null) return { former: [], familyImage: null };
  const [current, managed] = await Promise.all([
    compute.familyImage(family),
    compute.images(`family = "${family}" AND labels.kvci-managed = "true" AND labels.kvci-arch = "${arch}"`),
  ]);
  const before = createdAt === undefined ? Infinity : Date.parse(createdAt);
  const former = managed.filter(
    (each) => each.name !== name && stateOf(each) === "ACTIVE" && Date.parse(each.creationTimestamp) <= before,
  );
  return {
    former: former.map((each) => each.name).sort(),
    familyImage: current ? linkPath(current.selfLink) : null,
  };
}

/** Members of the role that we manage; conditional bindings are somebody else's. */
export function membersIn({ bindings }: Awaited<ReturnType<Compute["imagePolicy"]>>): readonly string[] {
  const ours = bindings.filter(({ role, condition }) => role === USER_ROLE && condition === undefined);
  return [...new Set(ours.flatMap(({ members }) => members))].sort();
}
