import type { BuildRequest } from "../core/builder.ts";
import { KvciError } from "../core/error.ts";

/** Makes disks that take container images into guests. */
export function imageDisks(): BuildRequest["imageDisk"] {
  return () => Promise.reject(new KvciError("internal", "not yet", { hint: "Report this." }));
}
