import { z } from "zod";
import { checkInput } from "./input.ts";

const url = z.url({ protocol: /^https?$/, error: "an http or https URL is needed" });

const environmentSchema = z.strictObject({
  /** Where downloads are looked for first: a URL prefix and the mirrors that serve the same paths. Mirrors never change a key. */
  mirrors: z.record(z.string(), z.array(url).min(1)).default({}),
  /** Package mirror per distribution, for bases made from packages. Without one, the distribution's own default. */
  packageMirrors: z.partialRecord(z.enum(["debian", "ubuntu", "fedora", "centos"]), url).default({}),
  /** Builds at once in one invocation. */
  parallelBuilds: z.int().min(1).default(1),
  /** Names of credentials and the environment variables that hold them; never values. */
  credentials: z.record(z.string(), z.string().startsWith("env:")).default({}),
});

/** Where and as whom: mirrors, limits, names of credentials. Never part of a key. */
export type Environment = Readonly<z.output<typeof environmentSchema>>;
export type EnvironmentInput = z.input<typeof environmentSchema>;

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
