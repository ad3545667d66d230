import type { Digest } from "../core/digest.ts";
import type { PlannedOp } from "../core/op.ts";

/** What is known of a layer: `layer.json` beside `layer.qcow2`. */
export interface LayerRecord {
  readonly schema: "kvci-build/layer";
  readonly version: 1;
  /**
   * Name of the layer's folder: its key's hexadecimal digits, a dot and 8 random ones. Never given twice, because the layer
   * above holds the path of the file below: a layer that is made anew is another layer.
   */
  readonly id: string;
  readonly key: Digest;
  /** Id of the layer below; absent when that is the base. */
  readonly parent?: string | undefined;
  /** Path of the qcow2's backing file, relative to the store's root: of the layer below, or of the base. */
  readonly backing: string;
  /** sha256 and size of `layer.qcow2`. */
  readonly digest: Digest;
  readonly bytes: number;
  readonly virtualBytes: number;
  /** What made it: the step's name, or `first boot`. */
  readonly step: string;
  readonly ops: readonly PlannedOp[];
  /** Template that made it first; others may use it. */
  readonly template: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** How long the step took, in milliseconds. */
  readonly durationMs: number;
}

/** A layer in the store. Its file is complete and never written again. */
export interface Layer extends LayerRecord {
  /** Absolute path of `layer.qcow2`. */
  readonly path: string;
  /** Absolute path by which the chain is opened, once `link` made it: see `src/store/chain-links.ts`. */
  readonly link: string;
}

/** A layer that a plan asks for. */
export interface WantedLayer {
  readonly key: Digest;
  /** Not to be reused when it was made longer ago than this. */
  readonly maxAgeMs?: number | undefined;
  /** Never to be reused, nor anything above it. */
  readonly volatile?: boolean | undefined;
}

/** Why a chain ends where it ends. */
export type ChainEnd =
  | { readonly kind: "complete" }
  | { readonly kind: "volatile" }
  | { readonly kind: "absent" }
  | { readonly kind: "too-old"; readonly createdAt: string };

/** The longest chain of layers that the store has for a plan. */
export interface Chain {
  /** Lowest first; a prefix of what was wanted. */
  readonly layers: readonly Layer[];
  readonly end: ChainEnd;
}

/** An empty overlay that a guest is about to write: what becomes a layer when its step ends well. */
export interface Draft {
  /** Id of the layer that it will be. */
  readonly id: string;
  readonly key: Digest;
  readonly parent: Pick<Layer, "id"> | undefined;
  /** Absolute path of the growing qcow2, in the run's temporary folder. */
  readonly path: string;
  /** Absolute path by which it is opened, now and as a layer: the one place from which `backingName` holds. */
  readonly link: string;
  /** What the qcow2 names as its backing file. */
  readonly backingName: string;
  /** The file below, relative to the store's root. */
  readonly backing: string;
}

/** What the builder says of a finished layer; the store adds the rest. */
export type LayerFacts = Pick<LayerRecord, "step" | "ops" | "template" | "durationMs" | "virtualBytes">;

/** The layers of a store. */
export interface LayerStore {
  /**
   * The longest chain for `wanted` whose every layer stands on the one before it. Reads records, not disks. Of several
   * layers with one key the one with the longer chain above it is taken, then the newer one.
   */
  chain(wanted: readonly WantedLayer[], options: { readonly now: number }): Promise<Chain>;
  /**
   * Reads the layer's bytes and compares their digest. What was read before and has not been touched since (same inode,
   * size and times, same boot of this host, within a day) is not read again. Layers below are not looked at.
   */
  isIntact(layer: Layer, signal: AbortSignal): Promise<boolean>;
  /** Layers of those keys whose disk is missing or not as long as it was; `chain` does not find them. */
  cut(wanted: readonly Pick<WantedLayer, "key">[]): Promise<Layer[]>;
  /** Moves a layer to `set-aside/`, so that it is never found again; returns where it went. */
  setAside(layer: Layer): Promise<string>;
  /**
   * A name and place for a new layer on `parent`, or on the base. The qcow2 itself is made by the caller at `link`, with
   * `backingName` as its backing file. The folder becomes the layer's own: one for each draft.
   * @throws {KvciError} `internal` when folder or base are not in the store.
   */
  draft(below: {
    readonly key: Digest;
    /** The layer below; it may still be a draft that is being adopted. */
    readonly parent: Pick<Layer, "id"> | undefined;
    /** Absolute path of the base's disk, which is in the store; not looked at when there is a parent. */
    readonly basePath: string;
    /** An empty temporary folder of this run. */
    readonly folder: string;
  }): Promise<Draft>;
  /** Makes the links by which a chain is opened where they are missing. @throws {KvciError} `store-full`, `store-unusable` */
  link(layers: readonly Layer[]): Promise<void>;
  /**
   * Makes a draft that nobody writes any more into a layer: digest, record, flush, rename. Until the rename nothing of it is
   * found, after it all of it is. Returns the layer.
   * @throws {KvciError} `store-full`, `store-unusable`, `interrupted`
   */
  adopt(draft: Draft, facts: LayerFacts, signal: AbortSignal): Promise<Layer>;
  /** Notes that layers were used now; what was used last is removed last. */
  touch(layers: readonly Layer[]): Promise<void>;
  /** Every layer of the store, in no order. */
  list(): Promise<Layer[]>;
}
