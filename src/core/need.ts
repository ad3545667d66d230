/** A package repository, as a step adds it. */
export interface RepositoryNeed {
  readonly kind: "repository";
  readonly name: string;
  /** ASCII-armoured OpenPGP key: the text, a host file relative to the template's folder, or a URL that the lock freezes. */
  readonly signingKey: string | { readonly file: string } | { readonly url: string };
  readonly apt?: {
    readonly uris: readonly string[];
    readonly suites: readonly string[];
    readonly components: readonly string[];
  };
  readonly dnf?: { readonly baseUrl: string; readonly signedIndex: boolean };
}

/** Packages that a step installs, from the base's repositories and those added before. */
export interface PackagesNeed {
  readonly kind: "packages";
  /** Names the set in the lock, within a platform: the step's name. */
  readonly set: string;
  /** `name` or `name@version`; a version may end in `*`. */
  readonly names: readonly string[];
  /** Also what the packages only recommend. */
  readonly recommends: boolean;
}

/** A file by its URL. */
export interface FileNeed {
  readonly kind: "file";
  readonly url: string;
}

/** A Kubernetes manifest by its URL: the container images that it names are needed as well. */
export interface ManifestNeed {
  readonly kind: "manifest";
  readonly url: string;
}

/** A container image by its whole reference, `registry/repository:tag` or `…@sha256:…`. */
export interface ImageNeed {
  readonly kind: "container-image";
  readonly ref: string;
}

/** Something that floats until `kvci-build lock` has frozen it. */
export type Need = RepositoryNeed | PackagesNeed | FileNeed | ManifestNeed | ImageNeed;
