/** Media types of the OCI image specification 1.1. */
export const IMAGE_INDEX = "application/vnd.oci.image.index.v1+json";
export const IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json";
export const LAYER_TAR = "application/vnd.oci.image.layer.v1.tar";

export type Compression = "none" | "gzip" | "zstd";

const LAYER_COMPRESSIONS: ReadonlyMap<string, Compression> = new Map([
  [LAYER_TAR, "none"],
  [`${LAYER_TAR}+gzip`, "gzip"],
  [`${LAYER_TAR}+zstd`, "zstd"],
]);

/** How the tar of a layer is compressed; undefined for what is not a tar layer (an artifact's blob). */
export function layerCompression(mediaType: string): Compression | undefined {
  return LAYER_COMPRESSIONS.get(mediaType);
}
