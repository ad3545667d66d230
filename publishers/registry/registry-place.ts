import { KvciError } from "../../src/core/error.ts";

/** A repository in a registry. */
export interface RegistryPlace {
  /** As people write it: `quay.io`, `localhost:5000`. */
  readonly host: string;
  /** Path in the registry: `kubevirtci/k8s-1.34`. */
  readonly repository: string;
}

const HOST = /^(?:localhost|[a-z\d-]+(?:\.[a-z\d-]+)+|[a-z\d.-]+(?=:\d)|\[[\da-f:]+\])(?::\d{1,5})?$/i;
const PATH = /^[a-z\d]+(?:(?:[._]|__|-+)[a-z\d]+)*(?:\/[a-z\d]+(?:(?:[._]|__|-+)[a-z\d]+)*)*$/;

/**
 * Splits a repository's name. Short names have no registry in them and are refused: where they lead is a setting of each host.
 *
 * @throws {KvciError} `environment-invalid`
 */
export function registryPlace(name: string): RegistryPlace {
  const slash = name.indexOf("/");
  const [host, repository] = [name.slice(0, Math.max(0, slash)), name.slice(slash + 1)];
  if (HOST.test(host) && PATH.test(repository)) return { host, repository };
  throw new KvciError("environment-invalid", `"${name}" is not a repository in a registry`, {
    hint: 'Write registry and path, in lower case and without a tag: "quay.io/kubevirtci/{template}".',
  });
}

/** Where the API of a registry is; Docker Hub's is not where its name says. */
export function apiHost(host: string): string {
  return isDockerHub(host) ? "registry-1.docker.io" : host;
}

export function isDockerHub(host: string): boolean {
  return host === "docker.io" || host === "index.docker.io";
}
