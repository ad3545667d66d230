import { removeInstance, removeKeyPair, removeSecurityGroup } from "../../src/aws/ec2-remove.ts";
import { KvciError } from "../../src/core/error.ts";
import type { GarbageItem } from "../../src/publish/publisher.ts";
import { deleteImage, deleteSnapshot, type Where } from "./delete-image.ts";
import { parametersOf } from "./garbage.ts";
import { imageIds, lookupsIn, snapshotIds } from "./lookups.ts";
import type { ObservePorts } from "./observe.ts";
import { readParameters } from "./observe-region.ts";
import { TAGS } from "./tags.ts";

type Ports = Pick<ObservePorts, "target" | "caller">;

/**
 * Removes one thing. It is looked at once more: only what is managed, and what nothing of this account needs, goes. Gone already
 * is fine.
 *
 * @throws {KvciError} `publish-blocked` for an image that something still refers to.
 */
export async function collectItem({ id, place }: GarbageItem, ports: Ports, signal: AbortSignal): Promise<void> {
  const where: Where = { region: place, caller: ports.caller, signal };
  const [kind = ""] = id.split("-");
  const collectors: Readonly<Record<string, (id: string, where: Where) => Promise<unknown>>> = {
    ami: (image) => collectImage(image, where, ports),
    snap: collectSnapshot,
    i: removeInstance,
    key: removeKeyPair,
    sg: removeSecurityGroup,
  };
  const collector = collectors[kind];
  if (!collector) throw new KvciError("internal", `nobody knows how to remove ${id}`, { hint: "Report this." });
  await collector(id, where);
}

async function collectImage(id: string, where: Where, ports: Ports): Promise<void> {
  const { region, caller, signal } = where;
  const [image] = await lookupsIn(region, caller, { signal }).images(imageIds([id]));
  if (image?.tags[TAGS.managed] !== "true") return;
  const name = parametersOf(image.tags, ports)?.version;
  await assertUnused({ id, ownParameter: name }, where);
  const values = name === undefined ? {} : await readParameters([name], { region, caller, options: { signal } });
  // The pointer goes before what it points at.
  if (name !== undefined && values[name]?.value === id) {
    await caller.find({ action: "ssm:DeleteParameter", region, input: { Name: name } }, { signal });
  }
  await deleteImage(id, where);
}

/**
 * @param image.ownParameter that of its version, which goes with it and is no user.
 * @throws {KvciError} `publish-blocked` naming the instances, launch templates, parameters and recipes.
 */
async function assertUnused(
  { id, ownParameter }: { readonly id: string; readonly ownParameter: string | undefined },
  { region, caller, signal }: Where,
): Promise<void> {
  const input = { ImageIds: [id], IncludeAllResourceTypes: true };
  const pages = await caller.pages({ action: "ec2:DescribeImageReferences", region, input }, { signal });
  const users = pages
    .flatMap(({ ImageReferences = [] }) => ImageReferences.map(({ Arn = "?" }) => Arn))
    .filter((arn) => ownParameter === undefined || !arn.endsWith(`:parameter${ownParameter}`));
  if (users.length === 0) return;
  throw new KvciError("publish-blocked", `${id} in ${region} is still in use`, {
    hint: "Move what uses it to a newer image first.",
    evidence: users,
  });
}

async function collectSnapshot(id: string, where: Where): Promise<void> {
  const { region, caller, signal } = where;
  const [snapshot] = await lookupsIn(region, caller, { signal }).snapshots(snapshotIds([id]));
  if (snapshot?.tags[TAGS.managed] === "true") await deleteSnapshot(id, where);
}
