import { z } from "zod";
import { callsOf, waitOnceOf, type Call, type Calls } from "./compute-calls.ts";
import type { GcpSend } from "./request.ts";

const deprecation = z.object({
  state: z.string().optional(),
  replacement: z.string().optional(),
  deprecated: z.string().optional(),
  obsolete: z.string().optional(),
});

/** An image, as far as we look at it. 64-bit numbers come as text. */
const image = z.object({
  id: z.string(),
  name: z.string(),
  selfLink: z.string(),
  status: z.string().default("READY"),
  description: z.string().default(""),
  family: z.string().optional(),
  architecture: z.string().optional(),
  creationTimestamp: z.string(),
  diskSizeGb: z.string(),
  archiveSizeBytes: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  labelFingerprint: z.string().default(""),
  licenses: z.array(z.string()).default([]),
  guestOsFeatures: z.array(z.object({ type: z.string() })).default([]),
  storageLocations: z.array(z.string()).default([]),
  deprecated: deprecation.optional(),
});
const imageList = z.object({ items: z.array(image).default([]), nextPageToken: z.string().optional() });

const binding = z.object({
  role: z.string(),
  members: z.array(z.string()).default([]),
  condition: z.record(z.string(), z.unknown()).optional(),
});
const policy = z.object({
  version: z.number().optional(),
  etag: z.string().optional(),
  bindings: z.array(binding).default([]),
});
const project = z.object({
  quotas: z.array(z.object({ metric: z.string(), limit: z.number(), usage: z.number() })).default([]),
});

export type ComputeImage = Readonly<z.output<typeof image>>;
export type ImagePolicy = Readonly<z.output<typeof policy>>;
export type ProjectQuotas = Readonly<z.output<typeof project>>["quotas"];

/** What an image is made from. */
export interface NewImage {
  readonly name: string;
  readonly description: string;
  readonly architecture: "X86_64" | "ARM64";
  readonly guestOsFeatures: readonly { readonly type: string }[];
  readonly licenses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly storageLocations?: readonly string[];
  readonly rawDisk: { readonly source: string; readonly containerType: "TAR" };
}

/** States of an image that users may still start. */
export interface NewDeprecation {
  readonly state: "ACTIVE" | "DEPRECATED" | "OBSOLETE";
  readonly replacement?: string;
  readonly deprecated?: string;
  readonly obsolete?: string;
}

/** Images and operations of one project. A `requestId` (a UUID) makes a repeated call the same call. */
export type Compute = ReturnType<typeof computeOf>;

const PAGE = "500";

export function computeOf(send: GcpSend, place: { readonly project: string; readonly signal: AbortSignal }) {
  const calls = callsOf(send, place);
  return { project: place.project, waitOnce: waitOnceOf(calls), ...readingsOf(calls), ...changesOf(calls) };
}

function images(name: string, more = ""): string {
  return `/global/images/${encodeURIComponent(name)}${more}`;
}

function readingsOf({ call }: Calls) {
  const found = async (action: string, path: string): Promise<ComputeImage | undefined> => {
    const { status, body } = await call({ action, method: "GET", path, accept: [404] });
    return status === 404 ? undefined : image.parse(body);
  };
  return {
    image: (name: string) => found("compute.images.get", images(name)),
    /** The newest of the family that is not deprecated. */
    familyImage: (family: string) =>
      found("compute.images.getFromFamily", images("family", `/${encodeURIComponent(family)}`)),
    /** Every page, deprecated ones included. */
    images: (filter: string) => allPages(call, filter),
    imagePolicy: async (name: string): Promise<ImagePolicy> => {
      const path = images(name, "/getIamPolicy");
      const query = { optionsRequestedPolicyVersion: "3" };
      return policy.parse((await call({ action: "compute.images.getIamPolicy", method: "GET", path, query })).body);
    },
    quotas: async (): Promise<ProjectQuotas> =>
      project.parse((await call({ action: "compute.projects.get", method: "GET", path: "" })).body).quotas,
  };
}

function changesOf({ call, change, changeIfThere }: Calls) {
  return {
    insertImage: (body: NewImage, requestId: string) =>
      change("compute.images.create", { method: "POST", path: "/global/images", query: { requestId }, body }),
    /** Undefined when it is gone already. */
    deleteImage: (name: string, requestId: string) =>
      changeIfThere("compute.images.delete", { method: "DELETE", path: images(name), query: { requestId } }),
    deprecateImage: (name: string, body: NewDeprecation, requestId: string) => {
      const path = images(name, "/deprecate");
      return change("compute.images.deprecate", { method: "POST", path, query: { requestId }, body });
    },
    /** `null` takes the image out of its family. */
    setFamily: (name: string, family: string | null, requestId: string) =>
      change("compute.images.update", { method: "PATCH", path: images(name), query: { requestId }, body: { family } }),
    setLabels: (name: string, { labels, labelFingerprint }: Pick<ComputeImage, "labels" | "labelFingerprint">) => {
      const body = { labels, labelFingerprint };
      return change("compute.images.setLabels", { method: "POST", path: images(name, "/setLabels"), body });
    },
    /** With the etag that was read: somebody else's change in between is refused with 412. */
    setImagePolicy: async (name: string, wanted: ImagePolicy): Promise<void> => {
      const path = images(name, "/setIamPolicy");
      await call({ action: "compute.images.setIamPolicy", method: "POST", path, body: { policy: wanted } });
    },
  };
}

async function allPages(call: Call, filter: string): Promise<ComputeImage[]> {
  const all: ComputeImage[] = [];
  let pageToken: string | undefined;
  do {
    const query = { filter, maxResults: PAGE, pageToken };
    const { body } = await call({ action: "compute.images.list", method: "GET", path: "/global/images", query });
    const page = imageList.parse(body);
    all.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined && pageToken !== "");
  return all;
}

/** The state of an image; one that nobody deprecated is active. */
export function stateOf({ deprecated }: Pick<ComputeImage, "deprecated">): string {
  return deprecated?.state ?? "ACTIVE";
}

/** The part of a link that names the same thing whatever host it was read from: `projects/p/global/images/i`. */
export function linkPath(link: string): string {
  return link.slice(Math.max(0, link.indexOf("projects/")));
}
