import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../core/environment.ts";
import { writing } from "../core/file-system-error.ts";
import { hostCertificates, readCertificates } from "./certificates.ts";

/**
 * What programs that fetch are given beside their environment: the proxies of an environment, as `proxySettings` gives them, and its
 * certificate authorities with the host's in one bundle. Never part of what is built.
 *
 * @param folder takes the bundle; it must outlive the programs.
 * @throws {KvciError} `environment-invalid`, `store-full`, `store-unusable`
 */
export async function networkEnv(
  { proxy, caCertificates }: Pick<Environment, "proxy" | "caCertificates">,
  folder: string,
): Promise<Record<string, string>> {
  const own = await readCertificates(caCertificates);
  if (own.length === 0) return proxyEnv(proxy);
  const bundle = join(folder, "certificates.pem");
  await writing(folder, () => writeFile(bundle, [...hostCertificates(), ...own, ""].join("\n")));
  return { ...proxyEnv(proxy), SSL_CERT_FILE: bundle };
}

/** In both cases, since curl reads the one and skopeo prefers the other. */
function proxyEnv({ http, https, no }: Environment["proxy"]): Record<string, string> {
  const named = {
    http_proxy: http,
    https_proxy: https,
    no_proxy: (http ?? https) === undefined ? undefined : no.join(","),
  };
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) =>
      value === undefined
        ? []
        : [
            [name, value],
            [name.toUpperCase(), value],
          ],
    ),
  );
}
