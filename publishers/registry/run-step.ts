import { bounded } from "../../src/core/bounded.ts";
import { KvciError } from "../../src/core/error.ts";
import type { Digest } from "../../src/core/digest.ts";
import { IMAGE_INDEX } from "../../src/oci/media-types.ts";
import type { PublishContext } from "../../src/publish/publisher.ts";
import type { PublishStep, StepResult } from "../../src/publish/step.ts";
import type { z } from "zod";
import { tagConflict } from "./diff.ts";
import type { KnownLayers } from "./known-layers.ts";
import { orasPush, type OrasPorts } from "./oras-push.ts";
import { attach, knownReferrers } from "./referrers.ts";
import { stepInputs, type Artifact, type WantedImage } from "./registry-state.ts";
import type { AttachedDocument } from "./artifacts.ts";
import type { Repository } from "./repository.ts";

export interface StepPorts {
  readonly repository: Repository;
  readonly oras: OrasPorts;
  readonly layers: KnownLayers;
  /** The documents of a build, read again. */
  readonly documents: (image: WantedImage) => Promise<readonly AttachedDocument[]>;
}

/** Requests at once. */
const CONCURRENCY = 4;

type Inputs<K extends keyof typeof stepInputs> = z.output<(typeof stepInputs)[K]>;

/** Runs one step; what is there already is left as it is. */
export async function runStep(step: PublishStep, context: PublishContext, ports: StepPorts): Promise<StepResult> {
  switch (step.kind) {
    case "push":
      return push(stepInputs.push.parse(step.inputs), context, ports);
    case "index":
      return putIndex(stepInputs.index.parse(step.inputs), ports);
    case "attach":
      return attachAll(stepInputs.attach.parse(step.inputs), context, ports);
    case "check":
      return check(stepInputs.check.parse(step.inputs), ports);
    case "tag":
      return putTag(step, context, ports);
    default:
      throw new KvciError("internal", `registries have no step "${step.kind}"`, { hint: "Report this." });
  }
}

async function push(
  { image, ...place }: Inputs<"push">,
  context: PublishContext,
  ports: StepPorts,
): Promise<StepResult> {
  const { repository, layers } = ports;
  const { digest, blobs } = image;
  const all = blobs.map((blob) => blob.digest);
  if ((await repository.digestOf(digest)) === digest) return { digest, made: false };
  const mounted = await mountBlobs(place, all, ports);
  const { journal, signal } = context;
  const sent = await orasPush({ client: repository.client, image, journal, signal }, ports.oras);
  await layers.add(place, all);
  const bytes = blobs.filter((blob) => sent.includes(blob.digest)).reduce((sum, { size }) => sum + size, 0);
  return {
    digest,
    made: true,
    mounted,
    sentBlobs: sent.filter((each) => all.includes(each as Digest)).length,
    sentBytes: bytes,
  };
}

/** @returns how many blobs were taken over from other repositories. */
async function mountBlobs(
  place: { readonly host: string; readonly repository: string },
  digests: readonly string[],
  { repository, layers }: StepPorts,
): Promise<number> {
  const mounted = await bounded(digests, CONCURRENCY, async (digest) => {
    const [holder] = await layers.holders(place, digest);
    if (holder === undefined || (await repository.hasBlob(digest))) return false;
    return repository.mount(digest, holder);
  });
  return mounted.filter(Boolean).length;
}

async function putIndex({ index }: Inputs<"index">, { repository }: StepPorts): Promise<StepResult> {
  const { digest, text } = index;
  if ((await repository.digestOf(digest)) === digest) return { digest, made: false };
  await repository.putManifest(digest, { mediaType: IMAGE_INDEX, bytes: Buffer.from(text) });
  return { digest, made: true };
}

async function attachAll(
  { image, artifacts }: Inputs<"attach">,
  { signal }: PublishContext,
  { repository, documents }: StepPorts,
): Promise<StepResult> {
  const known = await knownReferrers(repository, image.digest);
  const missing = artifacts.filter(({ manifest }) => !known.digests.includes(manifest.digest));
  const available = await documents(image);
  // One after another: the tag scheme's list is read, changed and written for each.
  for (const artifact of missing) {
    await attach(repository, documentOf(artifact, available), { subject: image.digest, signal });
  }
  return { subject: image.digest, attached: missing.map(({ manifest }) => manifest.digest), scheme: known.scheme };
}

/** @throws {KvciError} `publish-integrity` when the build's folder has changed since the plan. */
function documentOf(artifact: Artifact, available: readonly AttachedDocument[]): AttachedDocument {
  const found = available.find((each) => each.artifact.manifest.digest === artifact.manifest.digest);
  if (found) return found;
  throw new KvciError("publish-integrity", `${artifact.title} is not what it was when the plan was made`, {
    hint: "Somebody changed the build's folder; make a new plan.",
    evidence: [`planned ${artifact.digest}`],
  });
}

async function check({ subject, blobs, attached }: Inputs<"check">, { repository }: StepPorts): Promise<StepResult> {
  await repository.requireManifest(subject.digest);
  const there = await bounded(blobs, CONCURRENCY, ({ digest }) => repository.hasBlob(digest));
  const lost = blobs.filter((_, index) => there[index] !== true);
  const known = attached.length === 0 ? [] : (await knownReferrers(repository, subject.digest)).digests;
  const loose = attached.filter((digest) => !known.includes(digest));
  if (lost.length === 0 && loose.length === 0) {
    return { digest: subject.digest, blobs: blobs.length, attached: known.length };
  }
  throw new KvciError(
    "publish-integrity",
    `${repository.name}: ${subject.digest} is there, but not all that belongs to it`,
    {
      hint: "Run the same command again. If it stays so, the registry loses data.",
      evidence: [
        ...lost.map(({ digest }) => `blob missing: ${digest}`),
        ...loose.map((digest) => `not attached: ${digest}`),
      ],
    },
  );
}

/** What is remembered before a tag moves: the former digest, for whoever has to move it back. */
export function formerKey({ id }: PublishStep): string {
  return `former ${id}`;
}

async function putTag(step: PublishStep, context: PublishContext, { repository }: StepPorts): Promise<StepResult> {
  const { host, tag, digest, floating } = stepInputs.tag.parse(step.inputs);
  const name = `${host}/${repository.name}:${tag}`;
  const found = await repository.digestOf(tag);
  if (found === digest) return { digest, former: digest, moved: false };
  const former = found ?? null;
  if (former !== null && !floating) throw tagConflict(name, former, digest);
  await context.remember(formerKey(step), former);
  await repository.putManifest(tag, await repository.requireManifest(digest));
  // Another run may have written in between: who reads back something else was overwritten.
  const after = (await repository.manifest(tag))?.digest ?? "nothing";
  if (after !== digest) throw tagConflict(name, after, digest);
  return { digest, former, moved: true };
}
