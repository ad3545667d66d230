import { isoImage } from "./iso9660.ts";

/**
 * A seed for cloud-init's NoCloud data source: a disc labelled `cidata`.
 * See https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
 */
export function noCloudSeed(seed: {
  readonly instanceId: string;
  readonly hostname: string;
  readonly userData: object;
}): Uint8Array {
  const { instanceId, hostname, userData } = seed;
  return isoImage("cidata", {
    // JSON is YAML, so nothing needs quoting rules of its own.
    "meta-data": `${JSON.stringify({ "instance-id": instanceId, "local-hostname": hostname })}\n`,
    "user-data": `#cloud-config\n${JSON.stringify(userData)}\n`,
  });
}
