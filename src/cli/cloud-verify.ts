import { recordVerification } from "../../verify/record.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import type { VerificationResult } from "../core/finding.ts";
import type { PublishedImage, ReleaseBuild } from "../publish/publisher.ts";
import { cloudPlace, type CloudImage, type CloudTarget } from "./cloud-smoke.ts";
import { publisherOf } from "./publishers.ts";
import { targetName, targetsNamed } from "./publish-targets.ts";
import { releaseBuilds } from "./release-builds.ts";
import type { Session } from "./session.ts";
import { verifyAt } from "./verify-build.ts";

export interface CloudVerification {
  readonly folder: string;
  readonly suite: string;
  readonly on: CloudTarget["kind"];
  readonly environment: Environment;
  /** Name of the target, where the environment has several of the cloud. */
  readonly target: string | undefined;
  /** Without one, that of the build's very content at the target. */
  readonly image: string | undefined;
  /** As it was published. */
  readonly release: string | undefined;
}

/**
 * Boots a published image where it is and checks it. The result is recorded beside the build, unless the image is not known to have
 * the build's content.
 *
 * @throws {KvciError} `build-not-found` where the target has no image of the build; `usage`, `environment-invalid`
 */
export async function verifyInCloud(request: CloudVerification, session: Session): Promise<VerificationResult> {
  const { folder, suite } = request;
  const { journal } = session;
  const target = targetFor(request);
  const [build] = await releaseBuilds({ builds: [folder], out: folder, version: request.release }, session);
  if (!build) throw new KvciError("build-not-found", `there is no build in ${folder}`, { hint: "Name its folder." });
  const found = await imageOf(build, { request, target, session });
  const place = await cloudPlace(target, { ...found, folder }, session);
  const result = await journal.span({ name: `${build.template} ${build.arch}`, kind: "build" }, (inner) =>
    verifyAt(place, { folder, suite, session, journal: inner }),
  );
  if (found.isOwn) await recordVerification(folder, result);
  return result;
}

function targetFor({ environment, on, target }: CloudVerification): CloudTarget {
  const named = targetsNamed(environment, target === undefined ? [] : [target]);
  const [first, second] = named.filter((each) => each.kind === on);
  if (first && !second) return first as CloudTarget;
  if (first) {
    const names = named.map(targetName).join(" or --target ");
    throw new KvciError("usage", `the environment has several targets of ${on}`, { hint: `Add --target ${names}.` });
  }
  throw new KvciError("usage", `${target ?? "the environment"} is no target of ${on}`, {
    hint: `Name an environment that has one (--env), with publishTo: [{ kind: "${on}", … }].`,
  });
}

async function imageOf(
  build: ReleaseBuild,
  of: { readonly request: CloudVerification; readonly target: CloudTarget; readonly session: Session },
): Promise<Omit<CloudImage, "folder"> & { readonly isOwn: boolean }> {
  const { request, target, session } = of;
  const place = placeOf(target);
  const publisher = await publisherOf(target, session);
  const published = (await publisher.published([build], session.signal)).filter((each) => isThere(each, target));
  const own = published.find(({ id }) => request.image === undefined || id === request.image);
  if (own) return { place, image: own.id, isOwn: true };
  if (request.image === undefined) throw notThere(build, target);
  session.journal.emit({
    type: "warning",
    subject: request.image,
    detail: "not known to have this build's content, so its result is not recorded",
  });
  return { place, image: request.image, isOwn: false };
}

function placeOf(target: CloudTarget): string {
  if (target.kind === "aws") return target.region;
  if (target.smokeZone !== undefined) return target.smokeZone;
  throw new KvciError("environment-invalid", `the target ${targetName(target)} names no zone to boot in`, {
    hint: 'Give it one: smokeZone: "us-central1-b".',
  });
}

/** Images of AWS can be started in their own region only. */
function isThere({ place }: PublishedImage, target: CloudTarget): boolean {
  return target.kind === "gcp" || place === target.region;
}

function notThere({ template, arch, version }: ReleaseBuild, target: CloudTarget): KvciError {
  const name = targetName(target);
  return new KvciError("build-not-found", `${name} has no image of ${template} ${arch} ${version} with this content`, {
    hint: `Publish it (kvci-build publish --target ${name}), say under which --release it was, or name an --image.`,
  });
}
