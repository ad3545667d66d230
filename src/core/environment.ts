import { z } from "zod";
import { downloadUrl } from "./download-url.ts";
import type { Distribution } from "./base.ts";
import { checkInput, recordOf, type DeepReadonly } from "./input.ts";
import { targetSchema, type TargetInput } from "./target.ts";

/** A registry as references name it, or a part of one: `registry.k8s.io`, `docker.io/calico`. */
const registryPlace = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]*(?::[0-9]+)?(?:\/[a-z0-9._/-]+)?$/, 'a registry such as "registry.k8s.io" is needed');

const registryMirror = recordOf({
  /** Where the same repositories are: `mirror.example.org:5000/k8s`. */
  location: registryPlace,
  /** Plain HTTP, or a certificate that is not checked. Never for what has no digest. */
  insecure: z.boolean().default(false),
});

export const environmentSchema = recordOf({
  mirrors: z.record(z.string(), z.array(downloadUrl).min(1)).default({}),
  packageMirrors: z.partialRecord(z.enum(["debian", "ubuntu", "fedora", "centos"]), downloadUrl).default({}),
  registries: z.record(registryPlace, z.array(registryMirror).min(1)).default({}),
  baseUrl: downloadUrl.optional(),
  network: z.enum(["direct", "isolated"]).default("direct"),
  proxy: recordOf({
    http: downloadUrl.optional(),
    https: downloadUrl.optional(),
    no: z.array(z.string().min(1)).default([]),
  }).default({ no: [] }),
  caCertificates: z.array(z.string().min(1)).default([]),
  store: recordOf({ path: z.string().min(1).optional(), maxGiB: z.number().positive().optional() }).default({}),
  locked: z.boolean().default(false),
  parallelBuilds: z.int().min(1).optional(),
  memoryGiB: z.number().positive().optional(),
  warmStatesGiB: z.number().min(0).default(4),
  publishTo: z.array(targetSchema).default([]),
  credentials: z
    .record(
      z.string(),
      z.string().regex(/^env:[A-Za-z_][A-Za-z0-9_]*$/, "name the variable that holds it, never the value: env:NAME"),
    )
    .default({}),
});

/** Where and as whom: mirrors, limits, names of credentials. Never part of a key. */
export type Environment = Readonly<z.output<typeof environmentSchema>>;

/** What an environment file may say; every key may be left out. */
export interface EnvironmentInput {
  /**
   * Where downloads are looked for first, packages of guests included: a URL prefix, as the image's sources write it, and the URLs
   * that serve the same paths. Mirrors never change a key.
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Package mirror per distribution, for bases made from packages. Without one, the distribution's own default. */
  readonly packageMirrors?: Readonly<Partial<Record<Distribution, string>>> | undefined;
  /** Registries (or parts of them) and where their images are looked for first: pull-through caches and copies, in order. */
  readonly registries?:
    | Readonly<Record<string, readonly { readonly location: string; readonly insecure?: boolean | undefined }[]>>
    | undefined;
  /**
   * One place that stands for every upstream: a file `https://host/path` is at `<baseUrl>/host/path`, container images are an OCI
   * layout at `<baseUrl>/images`. What `kvci-build lock --fetch` collects can be served as such a place. Nothing else is asked.
   */
  readonly baseUrl?: string | undefined;
  /** What guests of builds reach: everything that the host does, or, `isolated`, nothing but packages through kvci-build. Default: `direct`. */
  readonly network?: "direct" | "isolated" | undefined;
  /**
   * Proxies for what kvci-build fetches, and hosts that are asked directly; this host always is. Default: `HTTPS_PROXY`,
   * `HTTP_PROXY`, `NO_PROXY`. HTTPS without a proxy of its own goes by that for HTTP.
   */
  readonly proxy?:
    | {
        readonly http?: string | undefined;
        readonly https?: string | undefined;
        readonly no?: readonly string[] | undefined;
      }
    | undefined;
  /** Files with further certificate authorities (PEM), relative to the working directory; trusted beside the host's own. */
  readonly caCertificates?: readonly string[] | undefined;
  /** The store's folder (else KVCI_BUILD_STORE, else the user's cache) and what it may grow to: after a build, what was used longest ago goes. */
  readonly store?: { readonly path?: string | undefined; readonly maxGiB?: number | undefined } | undefined;
  /** Build from the lock alone: a package without an entry is an error (`--locked`). Default: false. */
  readonly locked?: boolean | undefined;
  /** Builds at once in one invocation, memory permitting. Default: one for every two processors. */
  readonly parallelBuilds?: number | undefined;
  /** What the machines of one invocation may use of the host's memory together. Default: four fifths of what is available. */
  readonly memoryGiB?: number | undefined;
  /** What warm states (memory of machines, kept beside layers) may take in the store, in GiB. 0 keeps none. Default: 4. */
  readonly warmStatesGiB?: number | undefined;
  /** Where builds are published to, by `kvci-build publish --target NAME`. */
  readonly publishTo?: readonly DeepReadonly<TargetInput>[] | undefined;
  /** Names of credentials and the environment variables that hold them, as `env:NAME`; never values. */
  readonly credentials?: Readonly<Record<string, string>> | undefined;
}

/**
 * Declares an environment; the default export of a file in `environments/`.
 *
 * @throws {InputError} `environment-invalid` with every mistake.
 */
export function defineEnvironment(input: EnvironmentInput): Environment {
  return checkInput(environmentSchema, input, {
    code: "environment-invalid",
    what: "environment",
    hint: "Compare with environments/local.ts.",
  });
}
