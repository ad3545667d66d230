import { bounded } from "../../src/core/bounded.ts";
import { KvciError } from "../../src/core/error.ts";
import type { PublishedImage, ReleaseBuild } from "../../src/publish/publisher.ts";
import type { CallOptions } from "../../src/aws/aws-caller.ts";
import { imagePlanOf, type ImagePlan } from "./image-plan.ts";
import { byAge, otherReleases, ownImage, type ImageState } from "./image-state.ts";
import { lookupsIn, managed } from "./lookups.ts";
import { identityOf, knownRegions, REGIONS_AT_ONCE, type Identity, type ObservePorts } from "./observe.ts";
import { patient } from "./observe-region.ts";
import { parameterNames } from "./parameters.ts";
import { chosenRegions, type ChosenRegion } from "./region-choice.ts";
import { isEnabled } from "./state.ts";

type Ports = Pick<ObservePorts, "target" | "caller"> & { readonly name: string };

/**
 * What there is of the builds, in all regions: read anew, so that nobody has to trust a ledger. A region that the release may
 * lack and that does not answer is left out.
 */
export async function publishedImages(
  builds: readonly ReleaseBuild[],
  ports: Ports,
  options: CallOptions,
): Promise<readonly PublishedImage[]> {
  const { target, caller } = ports;
  const [identity, known] = await Promise.all([
    identityOf(target.region, caller, options),
    knownRegions(target.region, caller, options),
  ]);
  const regions = chosenRegions(target, known).filter(isEnabled);
  const found = await bounded(regions, REGIONS_AT_ONCE, async (chosen) => {
    const images = await imagesIn(chosen, ports, options);
    return builds.flatMap((build) => entries(build, { ports, identity, region: chosen.region, images }));
  });
  return found.flat();
}

async function imagesIn(
  { region, required }: ChosenRegion,
  { caller }: Ports,
  options: CallOptions,
): Promise<readonly ImageState[]> {
  if (required) return lookupsIn(region, caller, options).images(managed);
  try {
    return await lookupsIn(region, caller, patient(options, caller)).images(managed);
  } catch (error) {
    if (!(error instanceof KvciError) || options.signal.aborted) throw error;
    return [];
  }
}

interface Found {
  readonly ports: Ports;
  readonly identity: Identity;
  readonly region: string;
  readonly images: readonly ImageState[];
}

function entries(build: ReleaseBuild, { ports, identity, region, images }: Found): readonly PublishedImage[] {
  const { target, name } = ports;
  const { account, partition } = identity;
  const plan = imagePlanOf(build, target, account);
  const image = ownImage(images, plan);
  if (image?.state !== "available") return [];
  const parameters = parameterNames(build, target);
  return [
    {
      target: name,
      kind: "aws",
      owner: account,
      place: region,
      id: image.id,
      name: plan.name,
      arch: plan.arch,
      content: plan.content,
      attributes: plan.attributes,
      version: plan.version,
      public: image.isPublic,
      createdAt: image.createdAt,
      ...(image.deprecatedAt === null ? {} : { deprecateAt: image.deprecatedAt }),
      ...superseded(plan, image, images),
      details: {
        arn: `arn:${partition}:ec2:${region}::image/${image.id}`,
        snapshot: image.snapshot,
        ...plan.settings,
        labels: build.labels,
        ...(parameters === undefined ? {} : { parameters: { ...parameters } }),
      },
    },
  ];
}

function superseded(
  plan: ImagePlan,
  image: ImageState,
  images: readonly ImageState[],
): Pick<PublishedImage, "supersedes"> {
  const older = otherReleases(images, plan).filter((each) => byAge(each, image) < 0);
  return older.length === 0 ? {} : { supersedes: older.map(({ id }) => id) };
}
