import { ec2Leftovers } from "../../src/aws/ec2-leftovers.ts";
import type { Tags } from "../../src/aws/managed-tags.ts";
import { bounded } from "../../src/core/bounded.ts";
import type { GarbageItem } from "../../src/publish/publisher.ts";
import type { CallOptions } from "../../src/aws/aws-caller.ts";
import { byAge, isLiving, type ImageState, type SnapshotState } from "./image-state.ts";
import { lookupsIn, managed } from "./lookups.ts";
import { knownRegions, REGIONS_AT_ONCE, type ObservePorts } from "./observe.ts";
import { readParameters } from "./observe-region.ts";
import { parameterNames } from "./parameters.ts";
import { chosenRegions } from "./region-choice.ts";
import { isEnabled } from "./state.ts";
import { TAGS } from "./tags.ts";

type Ports = Pick<ObservePorts, "target" | "caller" | "now"> & { readonly name: string };

const HOUR_MS = 3_600_000;
/** What has no image yet may be about to get one. */
const ORPHAN_MS = 24 * HOUR_MS;
/** A snapshot that takes blocks: EBS gives it up by itself after a day without one. */
const PENDING_MS = 72 * HOUR_MS;

/** What is managed, of no use any more, and older than anything that may be under way; in the regions of a target. */
export async function garbage(ports: Ports, options: CallOptions): Promise<readonly GarbageItem[]> {
  const { target, caller } = ports;
  const known = await knownRegions(target.region, caller, options);
  const regions = chosenRegions(target, known).filter(isEnabled);
  const found = await bounded(regions, REGIONS_AT_ONCE, ({ region }) => garbageIn(region, ports, options));
  return found.flat();
}

async function garbageIn(region: string, ports: Ports, options: CallOptions): Promise<readonly GarbageItem[]> {
  const { target, caller, name, now } = ports;
  const lookups = lookupsIn(region, caller, options);
  const [images, snapshots, machines] = await Promise.all([
    lookups.images(managed),
    lookups.snapshots(managed),
    ec2Leftovers(region, { caller, now: now() }, options),
  ]);
  const latest = await latestImages(images, { region, ports, options });
  const superseded = supersededImages(images, { keep: target.keep, latest, now: now() });
  const failed = images.filter((image) => !isLiving(image));
  const twins = secondCopies(images, now());
  const used = new Set(images.map(({ snapshot }) => snapshot));
  const orphans = snapshots.filter((each) => !used.has(each.id) && isOrphan(each, now()));
  const item = (id: string, what: string, reason: string): GarbageItem => ({
    target: name,
    place: region,
    id,
    what,
    reason,
  });
  return [
    ...machines.map(({ id, what, reason }) => item(id, what, reason)),
    ...superseded.map(({ id, name: what }) => item(id, `image ${what}`, "superseded, and beyond what is kept")),
    ...twins.map(({ id, name: what }) => item(id, `image ${what}`, "a second copy of the same image")),
    ...failed.map(({ id, name: what, state }) => item(id, `image ${what}`, state)),
    ...orphans.map(({ id, tags }) => item(id, `snapshot of ${tags["Name"] ?? "?"}`, "no image has it")),
  ];
}

/** Images that a parameter for the newest points at: they stay, however old. */
async function latestImages(
  images: readonly ImageState[],
  { region, ports, options }: { readonly region: string; readonly ports: Ports; readonly options: CallOptions },
): Promise<ReadonlySet<string>> {
  const names = images.flatMap(({ tags }) => parametersOf(tags, ports)?.latest ?? []);
  const values = await readParameters([...new Set(names)], { region, caller: ports.caller, options });
  return new Set(Object.values(values).map(({ value }) => value));
}

/** The parameters of an image, by its tags. */
export function parametersOf(tags: Tags, { target }: Pick<Ports, "target">): ReturnType<typeof parameterNames> {
  const { [TAGS.template]: template, [TAGS.version]: version, [TAGS.arch]: arch } = tags;
  if (template === undefined || version === undefined || (arch !== "amd64" && arch !== "arm64")) return undefined;
  return parameterNames({ template, version, arch }, target);
}

interface Keeping {
  /** Superseded releases that stay. */
  readonly keep: number;
  readonly latest: ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Of each template and architecture, what was superseded before the last few. */
export function supersededImages(images: readonly ImageState[], { keep, latest, now }: Keeping): readonly ImageState[] {
  const releases = Map.groupBy(images.filter(isLiving), ({ tags }) =>
    JSON.stringify([tags[TAGS.template], tags[TAGS.arch]]),
  );
  return [...releases.values()].flatMap((all) => {
    const [, ...older] = [...all].sort(byAge).reverse();
    return older
      .filter(({ deprecatedAt }) => deprecatedAt !== null && Date.parse(deprecatedAt) <= now)
      .slice(keep)
      .filter(({ id }) => !latest.has(id));
  });
}

function secondCopies(images: readonly ImageState[], now: number): readonly ImageState[] {
  const copies = Map.groupBy(images.filter(isLiving), ({ name, tags }) =>
    JSON.stringify([name, tags[TAGS.content], tags[TAGS.attributes]]),
  );
  return [...copies.values()].flatMap((all) =>
    [...all]
      .sort(byAge)
      .slice(1)
      .filter(({ isPublic, createdAt }) => !isPublic && now - Date.parse(createdAt) > ORPHAN_MS),
  );
}

function isOrphan({ state, startedAt }: SnapshotState, now: number): boolean {
  return now - Date.parse(startedAt) > (state === "pending" ? PENDING_MS : ORPHAN_MS);
}
