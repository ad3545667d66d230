import type { Digest } from "./digest.ts";

/** A command and its arguments. No shell is involved; for one, say so: `run("sh", "-ec", "…")`. */
export interface Run {
  readonly kind: "run";
  readonly argv: readonly string[];
  /** Milliseconds until the command is ended and the step fails. Default: 15 minutes. */
  readonly timeoutMs?: number;
}

/** Writes a text file, replacing what was there; missing parent directories are made (0755, root). */
export interface WriteFile {
  readonly kind: "write-file";
  readonly path: string;
  readonly content: string;
  /** Permission bits, for example 0o644. */
  readonly mode: number;
  /** `user:group`, names or numbers as chown takes them. */
  readonly owner: string;
}

/** Copies a file or a directory tree from the host; `source` is relative to the template's folder. */
export interface CopyIn {
  readonly kind: "copy-in";
  readonly source: string;
  readonly path: string;
  /** Permission bits of a copied file; a tree keeps those of its files. */
  readonly mode: number;
  readonly owner: string;
}

/**
 * Puts a file from elsewhere into the guest: fetched on the host, by the digest that the lock has for its URL.
 */
export interface FetchIn {
  readonly kind: "fetch-in";
  readonly url: string;
  readonly path: string;
  readonly mode: number;
  readonly owner: string;
  /** A Kubernetes manifest: the lock also has the container images that it names, and `edits` may change it. */
  readonly manifest: boolean;
  /** Changes of the manifest's objects, made on the host, in order. */
  readonly edits: readonly ManifestEdit[];
}

/** One change of one object of a manifest; an edit that finds no object or no place is an error. */
export interface ManifestEdit {
  /** `kind` and `metadata.name` of the object. */
  readonly object: { readonly kind: string; readonly name: string };
  /** Way to the value; a number is an index of a list, a record the first list item that has its values (`{ name: "calico-node" }`). */
  readonly path: readonly (string | number | Readonly<Record<string, string>>)[];
  /** What is put there; what is missing on the way there is made. A text may be JSON or YAML of its own: it is put as a text. */
  readonly value: unknown;
  /** Append to the list at `path` instead of replacing it. Default: false. */
  readonly append?: boolean;
}

/**
 * Imports container images into the runtime's store: those listed and those that the manifests name, fetched on the host by
 * the lock's digests and handed over on a read-only disk. The runtime is started for it when it does not run. Booted machines only.
 */
export interface LoadImages {
  readonly kind: "load-images";
  readonly runtime: ContainerRuntime;
  /** Whole references: `registry.k8s.io/pause:3.10`. */
  readonly images: readonly string[];
  /** URLs of manifests whose images are imported, too. */
  readonly manifests: readonly string[];
}

/** Container runtimes by the name of their systemd unit: containerd, crio. */
export type ContainerRuntime = "containerd" | "cri-o";

/** Restarts the guest and waits until it answers again. Booted machines only. */
export interface Reboot {
  readonly kind: "reboot";
  readonly timeoutMs: number;
}

/** Runs `argv` again and again until it exits 0. Booted machines only. */
export interface WaitFor {
  readonly kind: "wait-for";
  readonly argv: readonly string[];
  /** What is waited for, as the error says it: "containerd answers". */
  readonly reason: string;
  readonly timeoutMs: number;
  readonly intervalMs: number;
}

/** What any image can take, booted or not. */
export type ImageOp = Run | WriteFile | CopyIn | FetchIn;
/** What needs a booted guest. */
export type LiveOp = Reboot | WaitFor | LoadImages;
/** The closed union of everything a step can do. Ops are printed and hashed, so they never hold a secret. */
export type Op = ImageOp | LiveOp;

/** `CopyIn` as planned: the content counts, not the place it came from. */
export type PlannedCopyIn = Omit<CopyIn, "source"> & { readonly digest: Digest };
/** `FetchIn` as planned: the digest of the file as it is fetched, before its edits. */
export type PlannedFetchIn = Omit<FetchIn, "url" | "manifest"> & { readonly digest: Digest };

/** A container image as planned. */
export interface PlannedImage {
  /** Under this name the runtime lists it. */
  readonly ref: string;
  /** What the reference stood for when it was locked: an image index or a manifest. */
  readonly digest: Digest;
  /** The manifest for the plan's platform; the same as `digest` for an image of one platform. */
  readonly manifest: Digest;
}

/** `LoadImages` as planned: images by digest, sorted by reference. */
export interface PlannedLoadImages {
  readonly kind: "load-images";
  readonly runtime: ContainerRuntime;
  readonly images: readonly PlannedImage[];
}
export type PlannedOp = Exclude<Op, CopyIn | FetchIn | LoadImages> | PlannedCopyIn | PlannedFetchIn | PlannedLoadImages;
