import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { checkInput } from "../../src/core/input.ts";
import { targetSchema, type RegistryTarget } from "../../src/core/target.ts";
import { runProgram } from "../../src/host/program.ts";
import type { JsonValue } from "../../src/publish/json.ts";
import type { ReleaseBuild } from "../../src/publish/publisher.ts";
import { registryPublisher, type RegistryPublisherPorts } from "../../publishers/registry/registry-publisher.ts";
import type { DriverSetup } from "./publish-driver.ts";

const inputSchema = z.object({
  repositories: z.array(z.string()),
  floatingTags: z.array(z.string()).default([]),
  /** File with the builds, as JSON. */
  builds: z.string(),
  storeRoot: z.string(),
  authFile: z.string(),
  certificate: z.string(),
  oras: z.string(),
});
export type RegistrySetup = z.input<typeof inputSchema>;

/** For the driver: registries as targets, and builds that lie in a file. */
export async function setup(input: JsonValue): Promise<DriverSetup> {
  const { repositories, floatingTags, builds, ...rest } = inputSchema.parse(input);
  const publishers = await Promise.all(
    repositories.map((repository, index) =>
      testPublisher({ repository, floatingTags, name: `registry-${index}`, image: "layered-disk" }, rest),
    ),
  );
  return { publishers, builds: JSON.parse(await readFile(builds, "utf8")) as ReleaseBuild[] };
}

export interface TestRegistry extends Partial<
  Pick<RegistryPublisherPorts, "chunkBytes" | "deadlineMs" | "patienceMs" | "runProgram">
> {
  readonly storeRoot: string;
  readonly oras: string;
  /** For registries that let everybody in, and without TLS, there is neither. */
  readonly authFile?: string;
  readonly certificate?: string;
}

/** A publisher that trusts the test registry and waits for nobody's trouble for long. */
export function testPublisher(
  target: Partial<RegistryTarget> & { readonly name: string; readonly repository: string },
  { storeRoot, authFile, certificate, ...ports }: TestRegistry,
): ReturnType<typeof registryPublisher> {
  const options = { code: "environment-invalid", what: "the target", hint: "Correct the test." } as const;
  const checked = checkInput(targetSchema, { kind: "registry", ...target }, options) as RegistryTarget;
  const env = {
    PATH: process.env["PATH"],
    REGISTRY_AUTH_FILE: authFile,
    SSL_CERT_FILE: certificate,
    HOME: join(storeRoot, "home"),
  };
  return registryPublisher(
    { ...checked, name: target.name },
    { env, storeRoot, now: Date.now, runProgram, patienceMs: 10_000, ...ports },
  );
}
