import { supersededImages } from "./garbage.ts";
import { lookupsIn } from "./lookups.ts";
import { EVERYBODY } from "./permissions.ts";
import { unknown, type BusyRegion, type Finding } from "./preflight-request.ts";

/** Public images of an account in a region: five, unless more were asked for. */
const PUBLIC_IMAGES = { ServiceCode: "ec2", QuotaCode: "L-0E3CBAB9" } as const;
const CHECK = "quota of public images";

/** Whether there is room for the images that are to become public, and how much `publish gc` would make. */
export async function quotaFinding(busy: BusyRegion): Promise<readonly Finding[]> {
  const { region, steps, ports, options } = busy;
  const place = region.region;
  const wanted = steps.filter(({ kind, inputs }) => {
    const { wanted: names = [] } = inputs as { readonly wanted?: readonly string[] };
    return kind === "share-image" && names.includes(EVERYBODY);
  });
  const added = wanted.filter(({ inputs }) => !formerOf(inputs).includes(EVERYBODY)).length;
  if (added === 0) return [];
  try {
    const isPublic = [{ Name: "is-public", Values: ["true"] }];
    const [used, limit] = await Promise.all([lookupsIn(place, ports.caller, options).images(isPublic), limitOf(busy)]);
    const free = freeable(busy);
    return [judged({ place, used: used.length, added, limit, free })];
  } catch (error) {
    return [unknown(error, { place, check: CHECK })];
  }
}

function formerOf(inputs: unknown): readonly string[] {
  return (inputs as { readonly former?: readonly string[] }).former ?? [];
}

async function limitOf({ region: { region }, ports: { caller }, options }: BusyRegion): Promise<number | undefined> {
  const answer = await caller.ask(
    { action: "servicequotas:GetServiceQuota", region, input: PUBLIC_IMAGES },
    { ...options, isExpected: ({ code }) => code === "NoSuchResourceException" },
  );
  if ("output" in answer) return answer.output.Quota?.Value;
  const input = PUBLIC_IMAGES;
  const { Quota } = await caller.call({ action: "servicequotas:GetAWSDefaultServiceQuota", region, input }, options);
  return Quota?.Value;
}

function freeable({ region, ports }: BusyRegion): number {
  const latest = new Set(Object.values(region.parameters).map(({ value }) => value));
  const old = supersededImages(region.images, { keep: ports.target.keep, latest, now: ports.now() });
  return old.filter(({ isPublic }) => isPublic).length;
}

function judged(room: {
  readonly place: string;
  readonly used: number;
  readonly added: number;
  readonly limit: number | undefined;
  readonly free: number;
}): Finding {
  const { place, used, added, limit, free } = room;
  if (limit === undefined) return { place, level: "unproven", check: CHECK, detail: "the service names no limit" };
  const detail = `${String(used)} of ${String(limit)} used, ${String(added)} more wanted`;
  if (used + added <= limit) return { place, level: "ok", check: CHECK, detail };
  const ask = `aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${PUBLIC_IMAGES.QuotaCode} --desired-value ${String(used + added)} --region ${place}`;
  const gc = free > 0 ? `\`kvci-build publish gc\` would free ${String(free)}; or ask for more: ` : "Ask for more: ";
  return {
    place,
    level: "error",
    code: "publish-quota",
    check: CHECK,
    detail: `${detail}; gc would free ${String(free)}`,
    hint: `${gc}${ask}`,
  };
}
