import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../core/environment.ts";
import { writing } from "../core/file-system-error.ts";

type Registries = Pick<Environment, "registries">;

/** What is asked for with these mirrors: content with a digest, or what a tag stands for. */
export type AskedBy = "digest" | "tag";

/** How registries are reached. Everything may be left out: then the host's own settings hold. */
export interface RegistryAccess {
  /** A registries.conf(5) in the place of the host's, for what has a digest. */
  readonly byDigest?: string | undefined;
  /** The same for tags: without the mirrors that nobody can trust with those. */
  readonly byTag?: string | undefined;
  /** Added to skopeo's environment: proxies (`HTTPS_PROXY`, `NO_PROXY`), `SSL_CERT_FILE`, `REGISTRY_AUTH_FILE`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/**
 * The mirrors of an environment as containers-registries.conf(5), version 2: for each place the mirrors in order, then the
 * place itself. Insecure ones are for content with a digest only, because nothing vouches for what they say of a tag.
 */
export function registriesConf({ registries }: Registries, asked: AskedBy = "digest"): string {
  const tables = Object.entries(registries).flatMap(([place, mirrors]) => [
    "",
    "[[registry]]",
    `prefix = ${quoted(place)}`,
    `location = ${quoted(place)}`,
    ...mirrors
      .filter(({ insecure }) => asked === "digest" || !insecure)
      .flatMap(({ location, insecure }) => [
        "",
        "[[registry.mirror]]",
        `location = ${quoted(location)}`,
        ...(insecure ? ["insecure = true"] : []),
      ]),
  ]);
  return ["# Written by kvci-build from the environment's registries.", ...tables, ""].join("\n");
}

/**
 * Writes the environment's mirrors into `folder`, which must outlive their use. Without any the host's own settings hold.
 *
 * @throws {KvciError} `store-full`, `store-unusable`
 */
export async function writeRegistriesConf(
  environment: Registries,
  folder: string,
): Promise<Pick<RegistryAccess, "byDigest" | "byTag">> {
  if (Object.keys(environment.registries).length === 0) return {};
  const byDigest = join(folder, "registries.conf");
  const byTag = join(folder, "registries-by-tag.conf");
  await writing(folder, async () => {
    await writeFile(byDigest, registriesConf(environment, "digest"));
    await writeFile(byTag, registriesConf(environment, "tag"));
  });
  return { byDigest, byTag };
}

/** A basic string of TOML: JSON's escapes are among its own. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
