/**
 * The phases of a release, in order; each is a barrier across all required places of all targets of a run. Nothing that users can
 * see changes before `publish`.
 */
export const PHASES = [
  /** Bytes: blobs, blocks, the tarball. */
  "stage",
  /** The resource, private: manifest by digest, AMI, image. */
  "register",
  /** Copies to other regions. */
  "replicate",
  /** Every attribute is read back. */
  "verify",
  /** The resource is booted where it is. */
  "smoke",
  /** Permissions: public, accounts, members. */
  "publish",
  /** Tags, families, parameters: what points at the newest. */
  "promote",
  /** The former release is deprecated. */
  "supersede",
] as const;

export type Phase = (typeof PHASES)[number];
