import type { BuildRequest } from "../core/builder.ts";
import type { Base } from "../core/disk-image.ts";
import type { Plan, SourceFile } from "../core/plan.ts";

/** One build: what is built, from what, and where to. */
export interface BuildJob extends Pick<BuildRequest, "cache" | "machineSlot" | "imageDisk" | "network"> {
  readonly plan: Plan;
  readonly base: Base;
  /** Host files for copies and fetches, by `sourceDigest` of their ops. */
  readonly sources: ReadonlyMap<string, SourceFile>;
  /** Empty folder that the outputs are written to. */
  readonly folder: string;
  readonly serialLog: string;
  readonly signal: AbortSignal;
}
