import { networkEnv } from "../base/network-env.ts";
import type { Environment } from "../core/environment.ts";
import type { ImageSource } from "../images/image-source.ts";
import { writeRegistriesConf, type RegistryAccess } from "../images/registries-conf.ts";

type Place = Pick<Environment, "registries" | "baseUrl" | "proxy" | "caCertificates">;

/** How registries are reached in an environment; what programs read of it is written into `folder`, which must outlive them. */
export async function registryAccess(environment: Place, folder: string): Promise<RegistryAccess> {
  return { ...(await writeRegistriesConf(environment, folder)), env: await networkEnv(environment, folder) };
}

/** Where container images come from in an environment: its registries, or what stands for all of them. */
export async function imageSourceOf(environment: Place, folder: string): Promise<ImageSource> {
  const { baseUrl } = environment;
  if (baseUrl !== undefined) return { kind: "layout", url: `${baseUrl.replace(/\/$/, "")}/images` };
  return { kind: "registries", access: await registryAccess(environment, folder) };
}
