import type { Digest } from "../core/digest.ts";

/** Where an image comes from, as its labels tell. */
export interface ImageIdentity {
  /** Name of the template. */
  readonly template: string;
  readonly planId: Digest;
  /** Digest of what the build started from: the base disk's bytes. */
  readonly baseDigest: Digest;
  /** What the base is called, for example `debian-12-amd64`. */
  readonly baseName: string;
  /** Size of the disk as a guest sees it, in bytes. */
  readonly virtualBytes: number;
  /** Digest of the disk's file. */
  readonly diskDigest?: Digest | undefined;
  /** kvci-build and its version, for example `kvci-build 0.1.0`. */
  readonly createdBy: string;
  /** Version of what is in the image, for example `1.31.2`. */
  readonly version?: string | undefined;
  readonly description?: string | undefined;
  /** ISO 8601, UTC. */
  readonly created?: string | undefined;
  /** URL of the template's source, and its revision. */
  readonly source?: string | undefined;
  readonly revision?: string | undefined;
  /** The template's own; they may replace the `org.opencontainers.image` ones, not those of the build. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

type Labels = Readonly<Record<string, string>>;

/**
 * Labels (of the config, what `docker inspect` and a running pod see) and annotations (of the manifest, what registries
 * and policies see without fetching more). Both say the same.
 */
export function imageLabels(identity: ImageIdentity): { readonly labels: Labels; readonly annotations: Labels } {
  const labels = {
    ...prefixed("org.opencontainers.image", ociLabels(identity)),
    ...identity.labels,
    ...ownLabels(identity),
  };
  return { labels, annotations: { ...labels } };
}

function ociLabels(identity: ImageIdentity): Record<string, string | undefined> {
  return {
    title: identity.template,
    description: identity.description,
    version: identity.version,
    created: identity.created,
    source: identity.source,
    revision: identity.revision,
    "base.digest": identity.baseDigest,
    "base.name": identity.baseName,
  };
}

function ownLabels(identity: ImageIdentity): Labels {
  return prefixed("io.kubevirt.kvci-build", {
    "created-by": identity.createdBy,
    template: identity.template,
    "plan-id": identity.planId,
    "base-digest": identity.baseDigest,
    "disk.virtual-bytes": String(identity.virtualBytes),
    "disk.digest": identity.diskDigest,
  });
}

function prefixed(prefix: string, values: Readonly<Record<string, string | undefined>>): Labels {
  const known = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(known.map(([key, value]) => [`${prefix}.${key}`, value]));
}
