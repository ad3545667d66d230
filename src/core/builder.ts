import type { Base } from "./disk-image.ts";
import type { Journal } from "./journal.ts";
import type { Plan, SourceFile } from "./plan.ts";

/** What a builder is given for one build. */
export interface BuildRequest {
  readonly plan: Plan;
  readonly base: Base;
  /** Host files for copy-in ops, by the digest in the plan. */
  readonly sources: ReadonlyMap<string, SourceFile>;
  /** An empty folder that lives as long as the build; big files go here. */
  readonly workDir: string;
  /** Where the guest's serial console is written; kept when the build fails. */
  readonly serialLog: string;
  readonly signal: AbortSignal;
}

/** A package as the guest's package manager lists it. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
}

/** The built, sealed, not yet flattened disk. */
export interface BuiltDisk {
  /** Topmost file of the qcow2 chain. */
  readonly path: string;
  readonly virtualBytes: number;
  readonly packages: readonly InstalledPackage[];
  readonly accelerator: { readonly name: string; readonly reason: string };
  /** What must not be found in the disk: the build's public key, and the machine-id the guest had meanwhile. */
  readonly traces: { readonly publicKey: string; readonly machineId: string };
}

/** Makes a disk from a plan; one per way of building. Leaves no process behind, however it ends. */
export interface Builder {
  readonly kind: string;
  build(request: BuildRequest, journal: Journal): Promise<BuiltDisk>;
}
