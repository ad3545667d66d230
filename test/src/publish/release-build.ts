import { sha256 } from "../../../src/core/digest.ts";
import type { ReleaseBuild } from "../../../src/publish/publisher.ts";

export function releaseBuild(given: Partial<ReleaseBuild> = {}): ReleaseBuild {
  return {
    folder: "/out/node/amd64",
    template: "node",
    arch: "amd64",
    version: "1.0",
    diskPath: "/out/node/amd64/disk.qcow2",
    diskDigest: sha256("disk"),
    virtualBytes: 1024 ** 3,
    firmware: "uefi",
    content: sha256("content"),
    planId: sha256("plan"),
    labels: {},
    ...given,
  };
}
