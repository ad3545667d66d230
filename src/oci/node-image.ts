import type { Digest } from "../core/digest.ts";

/** What an image runs on, in OCI's words. */
export interface ImagePlatform {
  readonly os: string;
  readonly arch: string;
  readonly variant?: string | undefined;
}

/** An image in an OCI layout: a container disk, or a node image. */
export interface NodeImage {
  /** Folder of the layout. */
  readonly layout: string;
  /** Digest of the image's manifest: the image's identity wherever it is copied to. */
  readonly digest: Digest;
  readonly platform: ImagePlatform;
  /** Reference name in the layout's index, when it has one. */
  readonly ref?: string | undefined;
  /** Manifest, config and layers, in bytes. */
  readonly sizeBytes: number;
}
