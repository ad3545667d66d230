import { setTimeout as sleep } from "node:timers/promises";
import { operate, operationBody, OperationFailure } from "./compute-operations.ts";
import type { ComputeCall } from "./compute-call.ts";
import { GcpFault, invalid, notFound } from "./gcp-fault.ts";
import { note, textIn, type ImageRecord, type Json, type World } from "./gcp-state.ts";
import { checkedLabels, fingerprint } from "./image-labels.ts";
import { imageBody, newImage, sourceOf, type NewImageBody } from "./image-record.ts";
import { indexTarball } from "./read-tarball.ts";
import { matches } from "./list-filter.ts";

type Answer = Json | Promise<Json>;

function imageNamed(world: World, name: string): ImageRecord {
  const image = world.state.images.get(name);
  if (image) return image;
  throw notFound(`projects/${world.state.project}/global/images/${name}`);
}

/** As others see it: made a moment ago may be too early. */
function seenImage(world: World, name: string): ImageRecord {
  const image = imageNamed(world, name);
  if (Date.now() >= image.visibleMs) return image;
  throw notFound(`projects/${world.state.project}/global/images/${name}`);
}

function stateOf({ deprecated }: ImageRecord): string {
  return textIn(deprecated, "state") ?? "ACTIVE";
}

export const imageCalls: Readonly<Record<string, (call: ComputeCall) => Answer>> = {
  "images.get": ({ world, path }) => imageBody(world, seenImage(world, path["image"] ?? "")),
  "images.getFromFamily": ({ world, path }) => {
    const family = path["family"] ?? "";
    const members = [...world.state.images.values()].filter(
      (image) => image.family === family && image.status === "READY" && stateOf(image) === "ACTIVE",
    );
    const newest = members.sort((a, b) => b.createdMs - a.createdMs || Number(b.id) - Number(a.id))[0];
    if (newest) return imageBody(world, newest);
    throw notFound(`projects/${world.state.project}/global/images/family/${family}`);
  },
  "images.list": ({ world, query }) => {
    const filter = query.get("filter") ?? "";
    const seen = [...world.state.images.values()].filter(({ visibleMs }) => Date.now() >= visibleMs);
    const bodies = seen.map((image) => imageBody(world, image)).filter((body) => matches(filter, body));
    return { kind: "compute#imageList", id: "images", ...pageOf(bodies, { world, query }) };
  },
  "images.insert": insertImage,
  "images.delete": (call) => {
    const { world, path, query, fault } = call;
    const image = imageNamed(world, path["image"] ?? "");
    if (image.status === "PENDING") {
      throw new GcpFault(400, "resourceNotReady", `The resource '${image.name}' is not ready`);
    }
    const target = `global/images/${image.name}`;
    const begun = {
      call: `images.delete ${image.name}`,
      type: "delete",
      target,
      requestId: query.get("requestId"),
      body: null,
      fault,
    };
    return operationBody(
      world,
      operate(world, begun, async () => void world.state.images.delete(image.name)),
    );
  },
  "images.patch": (call) =>
    changing(call, "patch", (image) => {
      const body = call.body as Json;
      const odd = Object.keys(body).find((name) => !["family", "description", "deprecated"].includes(name));
      if (odd !== undefined) throw invalid(`The field '${odd}' cannot be changed.`);
      if ("family" in body) {
        image.family = typeof body["family"] === "string" ? body["family"] : undefined;
        if (image.family !== undefined) note(call.world, "family-set", image.name);
      }
      if (typeof body["description"] === "string") image.description = body["description"];
    }),
  "images.deprecate": (call) =>
    changing(call, "deprecate", (image) => {
      const body = call.body as Json;
      const replacement = textIn(body, "replacement");
      if (replacement !== undefined) imageNamed(call.world, replacement.split("/").at(-1) ?? "");
      image.deprecated = body["state"] === "ACTIVE" || body["state"] === undefined ? undefined : body;
      if (image.deprecated) note(call.world, "image-deprecated", image.name);
    }),
  "images.setLabels": (call) =>
    changing(call, "setLabels", (image) => {
      const { labels = {}, labelFingerprint } = call.body as {
        labels?: Record<string, string>;
        labelFingerprint?: string;
      };
      if (labelFingerprint !== image.labelFingerprint) {
        throw new GcpFault(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed");
      }
      image.labels = checkedLabels(labels);
      image.labelFingerprint = fingerprint(call.world);
    }),
  "images.getIamPolicy": ({ world, path }) => ({ ...seenImage(world, path["resource"] ?? "").policy }),
  "images.setIamPolicy": setImagePolicy,
  "images.testIamPermissions": ({ world, path, body }) => {
    seenImage(world, path["resource"] ?? "");
    const { permissions = [] } = body as { permissions?: string[] };
    return { permissions: permissions.filter((each) => !world.denied.has(each)) };
  },
};

/** A change that is done at once, in the name of an operation. */
function changing(
  { world, path, query, body, fault }: ComputeCall,
  type: string,
  change: (image: ImageRecord) => void,
): Json {
  const image = imageNamed(world, path["image"] ?? path["resource"] ?? "");
  const target = `global/images/${image.name}`;
  const begun = { call: `images.${type} ${image.name}`, type, target, requestId: query.get("requestId"), body, fault };
  return operationBody(
    world,
    operate(world, begun, () => {
      change(image);
      return Promise.resolve();
    }),
  );
}

function insertImage({ world, query, body, fault }: ComputeCall): Json {
  const wanted = body as NewImageBody;
  const target = `global/images/${wanted.name ?? ""}`;
  const begun = { call: "images.insert", type: "insert", target, requestId: query.get("requestId"), body, fault };
  const operation = operate(world, begun, () => {
    const image = newImage(world, wanted);
    world.state.images.set(image.name, image);
    return madeFrom(world, image, wanted).catch((error: unknown) => {
      // Nothing stays of an image that could not be made.
      world.state.images.delete(image.name);
      throw error;
    });
  });
  return operationBody(world, operation);
}

async function madeFrom(world: World, image: ImageRecord, wanted: NewImageBody): Promise<void> {
  const source = sourceOf(world, wanted.rawDisk?.source ?? "");
  image.file = source.file;
  try {
    image.tar = await indexTarball(source.file);
  } catch (error) {
    throw new OperationFailure({ reason: "INVALID_USAGE", message: String(error), status: 400 });
  }
  image.diskGiB = image.tar.realBytes / 2 ** 30;
  image.archiveBytes = source.size;
  await sleep(world.delays.imageMs);
  image.status = "READY";
  image.visibleMs = Date.now() + world.delays.visibleMs;
  note(world, "image-made", image.name);
}

function setImagePolicy({ world, path, body }: ComputeCall): Json {
  const image = seenImage(world, path["resource"] ?? "");
  const { policy = {} } = body as { policy?: Partial<ImageRecord["policy"]> };
  if (policy.etag !== undefined && policy.etag !== image.policy.etag) {
    throw new GcpFault(412, "conditionNotMet", "There were concurrent policy changes.");
  }
  const { version = 1, bindings = [] } = policy;
  const members = bindings.flatMap((binding) => binding.members);
  assertMembers(world, members);
  image.policy = { version, etag: fingerprint(world), bindings };
  if (members.includes("allAuthenticatedUsers")) note(world, "image-public", image.name);
  return { ...image.policy };
}

function assertMembers(world: World, members: readonly string[]): void {
  if (members.includes("allUsers")) throw invalid("The member bindings allUsers are not supported for this resource.");
  const odd = members.find(
    (each) => !/^(?:allAuthenticatedUsers|(?:user|group|serviceAccount|domain|principal|principalSet):.+)$/.test(each),
  );
  if (odd !== undefined) throw invalid(`Invalid member '${odd}'.`);
  if (members.some((each) => world.forbiddenMembers.has(each))) {
    throw new GcpFault(
      412,
      "conditionNotMet",
      "One or more users named in the policy do not belong to a permitted customer.",
    );
  }
}

/** One page; its token is where the next one begins. */
export function pageOf(
  items: readonly Json[],
  { world, query }: { readonly world: World; readonly query: URLSearchParams },
): { readonly items?: readonly Json[]; readonly nextPageToken?: string } {
  const from = Number(query.get("pageToken") ?? "0");
  const size = Math.min(Number(query.get("maxResults") ?? "500"), world.limits.pageSize);
  const page = items.slice(from, from + size);
  return {
    // No list at all is how Google says that it is empty.
    ...(page.length > 0 ? { items: page } : {}),
    ...(from + size < items.length ? { nextPageToken: String(from + size) } : {}),
  };
}
