import type { Digest } from "./digest.ts";
import type { Base } from "./disk-image.ts";
import type { Journal } from "./journal.ts";
import type { PlannedImage } from "./op.ts";
import type { Plan, SourceFile } from "./plan.ts";

/** What a builder is given for one build. */
export interface BuildRequest {
  readonly plan: Plan;
  readonly base: Base;
  /** Host files for copies and fetches, by `sourceDigest` of their ops. */
  readonly sources: ReadonlyMap<string, SourceFile>;
  /**
   * Makes the read-only disk that takes container images into a guest; fetching them began with the build. With the databases of the
   * guest's containerd it is one to unpack into its root, where that can be had.
   */
  readonly imageDisk: (
    images: readonly PlannedImage[],
    journal: Journal,
    containerd?: ContainerdFiles,
  ) => Promise<ImageDisk>;
  readonly network: GuestNetwork;
  /** An empty folder that lives as long as the build; big files go here. */
  readonly workDir: string;
  /** Where the guest's serial console is written; kept when the build fails. */
  readonly serialLog: string;
  readonly signal: AbortSignal;
  readonly cache: CachePolicy;
  /** Waits until this host has memory and processors for one more machine of the plan's; held while the machine runs. */
  readonly machineSlot: () => Promise<AsyncDisposable>;
}

/** The databases of a guest's containerd, as they are while it does not run; empty where it never did. */
export interface ContainerdFiles {
  /** `io.containerd.metadata.v1.bolt/meta.db` below its root. */
  readonly metadata: Buffer;
  /** `io.containerd.snapshotter.v1.overlayfs/metadata.db` below its root. */
  readonly snapshots: Buffer;
}

/** A raw disk with container images, padded to whole sectors. */
export interface ImageDisk extends AsyncDisposable {
  /**
   * `archive`: a tar of an OCI layout whose index names every image, to be imported. `containerd`: a tar to be unpacked into
   * containerd's root, which then has them.
   */
  readonly form: "archive" | "containerd";
  readonly path: string;
  readonly bytes: number;
}

/** How the guest of a build gets at what is outside. */
export interface GuestNetwork {
  /** The guest reaches nothing but the relay. */
  readonly isolated: boolean;
  /**
   * TCP port on this host's 127.0.0.1 where kvci-build fetches for the guest, by the environment's mirrors, proxies and
   * certificates: `GET /https/pkgs.example.org/path`. Undefined where the guest goes there by itself.
   */
  readonly relayPort: number | undefined;
}

/** What of earlier builds a build makes use of. */
export interface CachePolicy {
  /** Layers of earlier builds. What this build makes is reused by it in any case. */
  readonly layers: boolean;
  /** Warm states: both restoring and keeping them. */
  readonly warmStates: boolean;
  /** Bytes that warm states may take in the store; the ones used longest ago go first. */
  readonly warmStateBytes: number;
}

/** A layer of the disk's chain, complete and never written again. */
export interface BuiltLayer {
  readonly id: string;
  readonly key: Digest;
  /** Absolute path by which the chain up to this layer is opened. */
  readonly path: string;
  readonly digest: Digest;
  readonly bytes: number;
  readonly virtualBytes: number;
  /** Name of the step that made it, or `first boot`. */
  readonly step: string;
}

/** A package as the guest's package manager lists it. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  /** What the package manager says that its files take. */
  readonly installedBytes?: number | undefined;
}

/** The built, sealed, not yet flattened disk. */
export interface BuiltDisk {
  /** Topmost file of the qcow2 chain. */
  readonly path: string;
  readonly virtualBytes: number;
  /** The layers below the topmost file, lowest first; without those of steps that are never cached. */
  readonly layers: readonly BuiltLayer[];
  /** Names of the steps that did not run, because their layers were there. */
  readonly cachedSteps: readonly string[];
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
