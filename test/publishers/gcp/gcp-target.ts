import { targetSchema, type GcpTarget } from "../../../src/core/target.ts";

/** A target at the counterpart's project and bucket. */
export function gcpTarget(given: Partial<GcpTarget> = {}): GcpTarget & { readonly name: string } {
  const input = { kind: "gcp", project: "kvci-project", bucket: "kvci-bucket", family: "node-{arch}", ...given };
  return targetSchema.parse(input) as GcpTarget & { readonly name: string };
}
