import { readFileSync } from "node:fs";
import { KvciError } from "../../src/core/error.ts";
import type { RegistryTarget } from "../../src/core/target.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import type { Publisher, ReleaseBuild } from "../../src/publish/publisher.ts";
import { documentsOf, type AttachedDocument } from "./artifacts.ts";
import { diffRegistry } from "./diff.ts";
import { imageBuild } from "./image-build.ts";
import { KnownLayers } from "./known-layers.ts";
import { observeRepository } from "./observe.ts";
import type { OrasPorts } from "./oras-push.ts";
import { preflightRepository } from "./preflight.ts";
import { publishedIn } from "./published.ts";
import { RegistryClient } from "./registry-client.ts";
import { registryConnections, type Connections } from "./registry-http.ts";
import { registryLogin } from "./registry-login.ts";
import type { RegistryPlace } from "./registry-place.ts";
import { registryState, stepInputs, type RegistryState } from "./registry-state.ts";
import { Repository } from "./repository.ts";
import { runStep } from "./run-step.ts";
import { undoStep } from "./undo-step.ts";
import { wantedRelease } from "./wanted-release.ts";

export interface RegistryPublisherPorts {
  /** Robot accounts, auth files, proxies, certificates: see docs/publishing.md. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly storeRoot: string;
  readonly now: () => number;
  /** Path of the program. */
  readonly oras: string;
  readonly runProgram: OrasPorts["runProgram"];
  /** Milliseconds that a registry may ask to wait, in all, for one request or push. Default: 30 minutes. */
  readonly deadlineMs?: number;
  /** Milliseconds of other trouble, as 5xx or a broken network, before a request or push counts as failed. Default: 2 minutes. */
  readonly patienceMs?: number;
  /** Layers are sent in pieces of this length, where the registry takes pieces. Default: 8 MiB. */
  readonly chunkBytes?: number;
}

const DEADLINE_MS = 30 * 60_000;
const PATIENCE_MS = 2 * 60_000;

/**
 * Publishes to an OCI registry: oras moves layers, a client of ours does the small things that have to be exact (indexes, tags,
 * referrers, mounts, reading back). Every repository is looked at with the credentials that are found for it.
 */
export function registryPublisher(
  target: RegistryTarget & { readonly name: string },
  ports: RegistryPublisherPorts,
): Promise<Publisher<RegistryState>> {
  const places = new Places(target, ports);
  const layers = new KnownLayers(ports.storeRoot);
  const stateOf = async (builds: readonly ReleaseBuild[], signal: AbortSignal): Promise<RegistryState> => {
    const wanted = await wantedRelease(target, builds);
    const repositories = await Promise.all(
      wanted.map(async (each) => observeRepository(each, await places.repository(each, signal))),
    );
    return registryState.parse({ repositories });
  };
  return Promise.resolve({
    target: target.name,
    kind: "registry",
    observe: stateOf,
    diff: (_builds, state) => diffRegistry(target, state),
    preflight: async (_builds, { repositories }, signal) => {
      const found = await Promise.all(
        repositories.map(async (state) => {
          const findings = await preflightRepository(state, await places.repository(state, signal));
          return findings.map((finding) => ({ target: target.name, place: state.host, ...finding }));
        }),
      );
      return found.flat();
    },
    run: async (step, context) => {
      const repository = await places.repository(placeOf(step.inputs), context.signal);
      return runStep(step, context, { repository, layers, oras: places.oras, documents: documents(target) });
    },
    undo: async (step, result, context) => {
      const repository = await places.repository(placeOf(step.inputs), context.signal);
      await undoStep({ step, result, context }, repository);
    },
    published: async (builds, signal) => {
      const { repositories } = await stateOf(builds, signal);
      const found = await Promise.all(
        repositories.map(async (state) =>
          publishedIn(state, await places.repository(state, signal), { target, builds }),
        ),
      );
      return found.flat();
    },
    // Release tags stand for ever, floating ones point at the latest, and what nothing points at is the registry's own to collect.
    garbage: () => Promise.resolve([]),
    collect: ({ id }) => Promise.reject(nothingToCollect(id)),
  });
}

function documents(
  target: RegistryTarget,
): (image: RegistryState["repositories"][number]["images"][number]["image"]) => Promise<readonly AttachedDocument[]> {
  return async (image) => documentsOf(image, await imageBuild(image, target.image));
}

function placeOf(inputs: JsonValue): RegistryPlace {
  return stepInputs.place.parse(inputs);
}

/** Clients of repositories, each with its credentials; made once. */
class Places {
  readonly oras: OrasPorts;
  readonly #connections: Connections;
  readonly #insecure: boolean;
  readonly #clients = new Map<string, Promise<RegistryClient>>();

  constructor({ insecure }: RegistryTarget, ports: RegistryPublisherPorts) {
    this.oras = { deadlineMs: DEADLINE_MS, patienceMs: PATIENCE_MS, ...ports };
    this.#connections = registryConnections(ports.env, certificatesOf(ports.env));
    this.#insecure = insecure;
  }

  async repository({ host, repository }: RegistryPlace, signal: AbortSignal): Promise<Repository> {
    const key = `${host}/${repository}`;
    const client = this.#clients.get(key) ?? this.#client({ host, repository }, signal);
    this.#clients.set(key, client);
    return new Repository(await client, signal);
  }

  async #client(place: RegistryPlace, signal: AbortSignal): Promise<RegistryClient> {
    const login = await registryLogin(place, this.oras, signal);
    return new RegistryClient(
      place,
      { login, insecure: this.#insecure },
      { ...this.oras, connections: this.#connections },
    );
  }
}

function certificatesOf({ SSL_CERT_FILE: file }: RegistryPublisherPorts["env"]): string | undefined {
  if (!file) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new KvciError("environment-invalid", `cannot read ${file}, which SSL_CERT_FILE names`, {
      hint: "Name a file of certificates (PEM), or unset the variable.",
      cause,
    });
  }
}

function nothingToCollect(id: string): KvciError {
  return new KvciError("internal", `nothing in a registry is collected, so ${id} is not`, { hint: "Report this." });
}
