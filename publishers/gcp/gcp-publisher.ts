import { bounded } from "../../src/core/bounded.ts";
import { digestOfValue } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { rawDisk } from "../../src/disk/raw-disk.ts";
import { computeOf } from "../../src/gcp/compute.ts";
import { gcpApi, type GcpApi } from "../../src/gcp/gcp-api.ts";
import { storageOf } from "../../src/gcp/storage.ts";
import type { PublishContext, Publisher, ReleaseBuild, SmokeTest } from "../../src/publish/publisher.ts";
import type { PublishStep, StepResult } from "../../src/publish/step.ts";
import { diffImage } from "./diff.ts";
import { copyExport, dropUpload, shareExport } from "./export-tarball.ts";
import { deprecateFormer, setFamily } from "./family.ts";
import { collectGcp, gcpGarbage } from "./garbage.ts";
import { retryingSend, singleSend, USUAL_PACE, type RetryPace } from "../../src/gcp/gcp-caller.ts";
import { imagePlanOf, membersOf, type ImagePlan, type NamedGcpTarget } from "./image-plan.ts";
import { insertImage } from "./insert-image.ts";
import { observeGcp, type Place } from "./observe.ts";
import { preflightGcp } from "./preflight.ts";
import { publishedImage } from "./published.ts";
import { shareImage } from "./share-image.ts";
import { smokeTest } from "./smoke-test.ts";
import type { GcpState } from "./state.ts";
import type { ReadDisk, StepHandler, StepPorts } from "./step-handler.ts";
import { isGcpStepKind, readInputs, type GcpStepKind } from "./step-inputs.ts";
import { uploadTarball } from "./upload-tarball.ts";
import { verifyImage } from "./verify-image.ts";

export interface GcpPublisherPorts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly storeRoot: string;
  readonly now: () => number;
  /** Boots the image where it is; needs the target's `smokeZone`. */
  readonly smoke?: SmokeTest;
  readonly readDisk?: ReadDisk;
  /** Default: Google Cloud with application-default credentials. */
  readonly api?: GcpApi;
  readonly pace?: RetryPace;
  readonly pollMs?: number;
  /** Threads that compress. */
  readonly workers?: number;
}

const POLL_MS = 2_000;
const AT_ONCE = 4;

/** Publishes disks as images of a Google Cloud project, by way of a bucket. */
export function gcpPublisher(target: NamedGcpTarget, ports: GcpPublisherPorts): Promise<Publisher<GcpState>> {
  // Members are checked before anything is asked.
  membersOf(target);
  return Promise.resolve(new GcpPublisher(target, ports));
}

class GcpPublisher implements Publisher<GcpState> {
  readonly kind = "gcp";
  readonly target: string;
  readonly #target: NamedGcpTarget;
  readonly #api: GcpApi;
  readonly #pace: RetryPace;
  readonly #ports: StepPorts;
  readonly #handlers: { readonly [K in GcpStepKind]: StepHandler<K> };
  /** Builds by the digest of their plan: steps carry plans, and disks are read by their builds. */
  readonly #builds = new Map<string, ReleaseBuild>();

  constructor(target: NamedGcpTarget, ports: GcpPublisherPorts) {
    const { env, storeRoot, now, smoke, workers, readDisk = rawDisk, pace = USUAL_PACE, pollMs = POLL_MS } = ports;
    this.target = target.name;
    this.#target = target;
    this.#api = ports.api ?? gcpApi(env, { project: target.project });
    this.#pace = pace;
    this.#ports = {
      target,
      storeRoot,
      now,
      readDisk,
      pace,
      pollMs,
      workers,
      smoke: target.smokeZone === undefined ? undefined : smoke,
      compute: (signal) => this.#place(signal).compute,
      storage: (signal) => this.#place(signal).storage,
      storageOnce: (signal) => storageOf(singleSend(this.#api), { bucket: target.bucket, signal }),
      buildOf: (image) => this.#buildOf(image),
    };
    this.#handlers = handlersFor(this.#ports);
  }

  observe(builds: readonly ReleaseBuild[], signal: AbortSignal): Promise<GcpState> {
    return observeGcp(this.#plans(builds), this.#place(signal));
  }

  preflight(builds: readonly ReleaseBuild[], state: GcpState, signal: AbortSignal) {
    const place = this.#place(signal);
    const send = retryingSend(this.#api, this.#pace);
    const smoke = this.#ports.smoke !== undefined;
    return preflightGcp(this.#plans(builds), state, { ...place, target: this.#target, smoke, send, signal });
  }

  diff(builds: readonly ReleaseBuild[], state: GcpState): readonly PublishStep[] {
    const options = { target: this.#target, smoke: this.#ports.smoke !== undefined };
    return this.#plans(builds).flatMap((plan, index) => {
      const found = state.images[index];
      if (found?.name !== plan.name) throw defect("what was observed is of other builds");
      return diffImage(plan, found, options);
    });
  }

  async run(step: PublishStep, context: PublishContext): Promise<StepResult> {
    return this.#with(step, (handler, read) => handler.run(read, context));
  }

  async undo(step: PublishStep, result: StepResult | undefined, context: PublishContext): Promise<void> {
    return this.#with(step, (handler, read) => handler.undo(read, result, context));
  }

  async published(builds: readonly ReleaseBuild[], signal: AbortSignal) {
    const place = this.#place(signal);
    const found = await bounded(this.#plans(builds), AT_ONCE, (plan) => publishedImage(plan, this.#target, place));
    return found.flat();
  }

  garbage(signal: AbortSignal) {
    return gcpGarbage({ ...this.#place(signal), target: this.#target, now: this.#ports.now });
  }

  async collect(item: Parameters<typeof collectGcp>[0], signal: AbortSignal): Promise<void> {
    const { now, pollMs } = this.#ports;
    await collectGcp(item, { ...this.#place(signal), target: this.#target, now, pollMs, signal });
  }

  async #with<R>(
    step: PublishStep,
    use: <K extends GcpStepKind>(handler: StepHandler<K>, read: ReturnType<typeof readInputs<K>>) => Promise<R>,
  ): Promise<R> {
    const { kind } = step;
    if (!isGcpStepKind(kind)) throw defect(`${step.id} is of an unknown kind, ${kind}`);
    const handler = this.#handlers[kind] as StepHandler<typeof kind>;
    return use(handler, readInputs(kind, step));
  }

  #place(signal: AbortSignal): Place {
    const send = retryingSend(this.#api, this.#pace);
    const { project, bucket } = this.#target;
    return { compute: computeOf(send, { project, signal }), storage: storageOf(send, { bucket, signal }) };
  }

  #plans(builds: readonly ReleaseBuild[]): readonly ImagePlan[] {
    return builds.map((build) => {
      const plan = imagePlanOf(build, this.#target);
      this.#builds.set(digestOfValue(plan), build);
      return plan;
    });
  }

  #buildOf(image: ImagePlan): ReleaseBuild {
    const build = this.#builds.get(digestOfValue(image));
    if (build) return build;
    throw defect(`there is no build of ${image.name}`);
  }
}

function handlersFor(ports: StepPorts): { readonly [K in GcpStepKind]: StepHandler<K> } {
  return {
    "upload-tarball": uploadTarball(ports),
    "insert-image": insertImage(ports),
    "copy-export": copyExport(ports),
    "drop-upload": dropUpload(ports),
    "verify-image": verifyImage(ports),
    "smoke-test": smokeTest(ports),
    "share-image": shareImage(ports),
    "share-export": shareExport(ports),
    "set-family": setFamily(ports),
    "deprecate-former": deprecateFormer(ports),
  };
}

function defect(what: string): KvciError {
  return new KvciError("internal", `publishing to Google Cloud: ${what}`, { hint: "Report this." });
}
