import { z } from "zod";
import { downloadUrl } from "./download-url.ts";
import type { Distribution } from "./base.ts";
import { checkInput, recordOf } from "./input.ts";

export const environmentSchema = recordOf({
  mirrors: z.record(z.string(), z.array(downloadUrl).min(1)).default({}),
  packageMirrors: z.partialRecord(z.enum(["debian", "ubuntu", "fedora", "centos"]), downloadUrl).default({}),
  parallelBuilds: z.int().min(1).optional(),
  warmStatesGiB: z.number().min(0).default(4),
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
  /** Where downloads are looked for first: a URL prefix, and the URLs that serve the same paths. Mirrors never change a key. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Package mirror per distribution, for bases made from packages. Without one, the distribution's own default. */
  readonly packageMirrors?: Readonly<Partial<Record<Distribution, string>>> | undefined;
  /** Builds at once in one invocation, memory permitting. Default: one for every two processors. */
  readonly parallelBuilds?: number | undefined;
  /** What warm states (memory of machines, kept beside layers) may take in the store, in GiB. 0 keeps none. Default: 4. */
  readonly warmStatesGiB?: number | undefined;
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
