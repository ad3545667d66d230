import type { AwsCaller, CallOptions } from "./aws-caller.ts";
import { MANAGED_FILTER, MANAGED_TAG, readTags, type Tags } from "./managed-tags.ts";

/** Something that a boot on EC2 left when it was killed. */
export interface Leftover {
  readonly id: string;
  readonly what: string;
  readonly reason: string;
}

/** Tags of what a boot makes: whose it is, and until when. */
const LEASE = { run: "kvci:run", expires: "kvci:expires" } as const;

/**
 * Tags for everything that one boot makes. What has them is its run's alone until `expires`, and nobody's after it: a run may be
 * killed, and nobody can tell that from a run that is busy on another machine, but none is busy past its lease, because the
 * instance switches itself off before.
 *
 * @param expires milliseconds since the epoch.
 */
export function leaseTags(lease: { readonly name: string; readonly run: string; readonly expires: number }): Tags {
  const { name, run, expires } = lease;
  return {
    Name: name,
    [MANAGED_TAG]: "true",
    [LEASE.run]: run,
    [LEASE.expires]: new Date(expires).toISOString(),
  };
}

const PAGE = 100;
const ENDED = new Set(["terminated", "shutting-down"]);

interface Look {
  readonly caller: AwsCaller;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Never among them, whatever their lease says. */
  readonly ownRun?: string;
}

/** What dead runs left in a region: instances first, then the key pairs and security groups, which can go when those are gone. */
export async function ec2Leftovers(region: string, look: Look, options: CallOptions): Promise<readonly Leftover[]> {
  const { caller } = look;
  const input = { Filters: [MANAGED_FILTER], MaxResults: PAGE };
  const [instances, keys, groups] = await Promise.all([
    caller.pages({ action: "ec2:DescribeInstances", region, input }, options),
    caller.call({ action: "ec2:DescribeKeyPairs", region, input: { Filters: [MANAGED_FILTER] } }, options),
    caller.pages({ action: "ec2:DescribeSecurityGroups", region, input }, options),
  ]);
  const running = instances
    .flatMap(({ Reservations = [] }) => Reservations.flatMap(({ Instances = [] }) => Instances))
    .filter(({ State }) => !ENDED.has(State?.Name ?? ""));
  const found = [
    ...running.map(({ InstanceId, Tags }) => ({ id: InstanceId, kind: "instance", tags: readTags(Tags) })),
    ...(keys.KeyPairs ?? []).map(({ KeyPairId, Tags }) => ({ id: KeyPairId, kind: "key pair", tags: readTags(Tags) })),
    ...groups
      .flatMap(({ SecurityGroups = [] }) => SecurityGroups)
      .map(({ GroupId, Tags }) => ({ id: GroupId, kind: "security group", tags: readTags(Tags) })),
  ];
  return found
    .filter(({ tags }) => isDead(tags, look))
    .map(({ id = "", kind, tags }) => ({
      id,
      what: `${kind} ${tags["Name"] ?? ""}`,
      reason: `left by the boot test of run ${tags[LEASE.run] ?? "?"}`,
    }));
}

/** What has no lease was made by no boot of ours, whatever else its tags say. */
function isDead(tags: Tags, { now, ownRun }: Look): boolean {
  const expires = Date.parse(tags[LEASE.expires] ?? "");
  return expires <= now && tags[LEASE.run] !== ownRun;
}
