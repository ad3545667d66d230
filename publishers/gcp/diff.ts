import { canonicalJson } from "../../src/core/canonical-json.ts";
import { KvciError } from "../../src/core/error.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import type { PublishStep } from "../../src/publish/step.ts";
import { membersOf, type ImagePlan, type NamedGcpTarget } from "./image-plan.ts";
import type { ImageState } from "./state.ts";
import type { GcpStepInputs, GcpStepKind } from "./step-inputs.ts";

export interface DiffOptions {
  readonly target: NamedGcpTarget;
  /** A smoke test can be run. */
  readonly smoke: boolean;
}

const GIB = 2 ** 30;
/** A boot, the suites and the end of an instance. */
const SMOKE_MINUTES = 10;

/** What is missing of one image. @throws {KvciError} `publish-conflict` when a name is taken by something else. */
export function diffImage(plan: ImagePlan, state: ImageState, options: DiffOptions): readonly PublishStep[] {
  assertFree(plan, state);
  const lacks = lackOf(plan, state, options);
  const list = new StepList(plan, options.target);
  addMaking(list, state, lacks);
  addProof(list, lacks);
  addExposure(list, state, lacks);
  return list.steps;
}

function addMaking(list: StepList, state: ImageState, lacks: Lack): void {
  const { plan } = list;
  if (lacks.upload) list.add("upload-tarball", { image: plan }, { quantities: uploadQuantities(plan, state) });
  if (lacks.image) list.add("insert-image", { image: plan }, { needs: list.idsOf("upload-tarball") });
  if (lacks.export) list.add("copy-export", { image: plan }, { needs: list.idsOf("upload-tarball") });
  if (lacks.upload || state.upload) {
    const needs = list.idsOf("insert-image", "copy-export");
    list.add("drop-upload", { image: plan }, { needs, reversible: false });
  }
}

/** Before anybody else can see the image. */
function addProof(list: StepList, lacks: Lack): void {
  const inputs = { image: list.plan };
  const needs = list.idsOf("insert-image");
  if (lacks.image || lacks.smoke || lacks.share || lacks.family) {
    list.add("verify-image", inputs, { needs, reversible: false });
  }
  if (lacks.smoke) list.add("smoke-test", inputs, { needs, quantities: { "instance-minutes": SMOKE_MINUTES } });
}

function addExposure(list: StepList, state: ImageState, lacks: Lack): void {
  const image = list.plan;
  const more = { needs: list.idsOf("insert-image"), exposes: true };
  const { former, wanted } = lacks.members;
  if (lacks.share) list.add("share-image", { image, wanted: [...wanted], former: [...former] }, more);
  if (lacks.exportShare) list.add("share-export", { image }, { needs: list.idsOf("copy-export"), exposes: true });
  if (lacks.family) list.add("set-family", { image, former: state.image?.family ?? null }, more);
  if (lacks.supersede) list.add("deprecate-former", { image, former: [...state.former] }, more);
}

interface Lack {
  readonly upload: boolean;
  readonly image: boolean;
  readonly export: boolean;
  readonly smoke: boolean;
  readonly share: boolean;
  readonly members: { readonly former: readonly string[]; readonly wanted: readonly string[] };
  readonly exportShare: boolean;
  readonly family: boolean;
  readonly supersede: boolean;
}

function lackOf(plan: ImagePlan, state: ImageState, { target, smoke }: DiffOptions): Lack {
  const { image, members } = state;
  const wanted = membersOf(target);
  const former = members ?? [];
  const lacksExport = plan.export !== null && state.export === null;
  return {
    upload: image === null || lacksExport,
    image: image?.status !== "READY",
    export: lacksExport,
    share: canonicalJson(wanted) !== canonicalJson(former),
    members: { former, wanted },
    exportShare: plan.export?.public === true && state.export?.public !== true,
    ...lackOfRank(plan, state, smoke),
  };
}

/** An image that a newer release has taken the place of keeps its place. */
function lackOfRank(
  plan: ImagePlan,
  { image, former }: ImageState,
  smoke: boolean,
): Pick<Lack, "smoke" | "family" | "supersede"> {
  if (image !== null && image.state !== "ACTIVE") return { smoke: false, family: false, supersede: false };
  return {
    smoke: smoke && image?.smoke !== true,
    family: plan.family !== null && image?.family !== plan.family,
    supersede: former.length > 0,
  };
}

function uploadQuantities({ virtualBytes }: ImagePlan, { upload }: ImageState): Readonly<Record<string, number>> {
  return upload ? { "GiB of disk to pack": 0 } : { "GiB of disk to pack": Number((virtualBytes / GIB).toFixed(2)) };
}

/** @throws {KvciError} `publish-conflict`, `publish-failed` */
function assertFree(plan: ImagePlan, { image, export: exported }: ImageState): void {
  if (image && !image.own) {
    throw taken(`the image name "${plan.name}" in ${plan.project}`, { wanted: plan.content, has: image.content });
  }
  if (image?.status === "FAILED") {
    throw new KvciError("publish-failed", `the image "${plan.name}" in ${plan.project} could not be made`, {
      hint: `Remove what is left of it, then run the same command again: gcloud compute images delete ${plan.name} --project=${plan.project}`,
    });
  }
  if (exported && !exported.own && plan.export) {
    throw taken(`the object gs://${plan.bucket}/${plan.export.object}`, {
      wanted: plan.content,
      has: exported.content,
    });
  }
}

export function taken(
  what: string,
  { wanted, has }: { readonly wanted: string; readonly has: string | null },
): KvciError {
  return new KvciError("publish-conflict", `${what} stands for something else`, {
    hint: "Publish under another release or name; what is there is not touched.",
    evidence: [
      `wanted: content ${wanted}, and these attributes`,
      `is: ${has === null ? "not ours" : `content ${has}`}`,
    ],
  });
}

const PHASE_OF: Readonly<Record<GcpStepKind, PublishStep["phase"]>> = {
  "upload-tarball": "stage",
  "insert-image": "register",
  "copy-export": "register",
  "drop-upload": "replicate",
  "verify-image": "verify",
  "smoke-test": "smoke",
  "share-image": "publish",
  "share-export": "publish",
  "set-family": "promote",
  "deprecate-former": "supersede",
};

const TITLE_OF: Readonly<Record<GcpStepKind, (plan: ImagePlan) => string>> = {
  "upload-tarball": ({ template, arch, bucket }) => `upload ${template} ${arch} to gs://${bucket}`,
  "insert-image": ({ name }) => `create image ${name}`,
  "copy-export": ({ bucket, export: file }) => `keep the tarball as gs://${bucket}/${file?.object ?? ""}`,
  "drop-upload": ({ bucket }) => `remove the upload from gs://${bucket}`,
  "verify-image": ({ name }) => `read ${name} back`,
  "smoke-test": ({ name }) => `boot ${name}`,
  "share-image": ({ name }) => `set who may use ${name}`,
  "share-export": ({ export: file }) => `make ${file?.object ?? "the tarball"} public`,
  "set-family": ({ name, family }) => `make ${name} the newest of ${family ?? ""}`,
  "deprecate-former": ({ family }) => `deprecate what ${family ?? ""} was before`,
};

type Extra = Partial<Pick<PublishStep, "needs" | "quantities" | "reversible" | "exposes">>;

/** The steps of one image, in order. */
class StepList {
  readonly plan: ImagePlan;
  readonly steps: PublishStep[] = [];
  readonly #target: NamedGcpTarget;

  constructor(plan: ImagePlan, target: NamedGcpTarget) {
    this.plan = plan;
    this.#target = target;
  }

  idsOf(...kinds: readonly GcpStepKind[]): string[] {
    return this.steps.filter(({ kind }) => (kinds as readonly string[]).includes(kind)).map(({ id }) => id);
  }

  add<K extends GcpStepKind>(kind: K, inputs: GcpStepInputs<K>, extra: Extra): void {
    const { template, arch } = this.plan;
    const { name, project } = this.#target;
    this.steps.push({
      id: [name, project, `${template}-${arch}`, kind].join("/"),
      phase: PHASE_OF[kind],
      kind,
      target: name,
      place: project,
      required: true,
      title: TITLE_OF[kind](this.plan),
      inputs: inputs as JsonValue,
      needs: [],
      quantities: {},
      reversible: true,
      exposes: false,
      ...extra,
    });
  }
}
