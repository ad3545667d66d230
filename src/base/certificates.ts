import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { getCACertificates } from "node:tls";
import { KvciError, messageOf } from "../core/error.ts";

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The certificates of PEM files, each as a PEM text.
 *
 * @throws {KvciError} `environment-invalid` for a file that cannot be read, holds none, or one that is damaged.
 */
export async function readCertificates(files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      throw unusable(file, messageOf(error));
    });
    const certificates = text.match(PEM) ?? [];
    if (certificates.length === 0) throw unusable(file, "no certificate in PEM format is in it");
    for (const certificate of certificates) check(file, certificate);
    found.push(...certificates);
  }
  return found;
}

function check(file: string, certificate: string): void {
  try {
    new X509Certificate(certificate);
  } catch (error) {
    throw unusable(file, messageOf(error));
  }
}

function unusable(file: string, reason: string): KvciError {
  return new KvciError("environment-invalid", `caCertificates: ${file}: ${reason}`, {
    hint: 'Name files with certificate authorities in PEM format, as "openssl x509" prints them; paths are relative to the working directory.',
  });
}

/** The authorities that this host trusts; those that come with Node where it has none of its own. */
export function hostCertificates(): string[] {
  const own = getCACertificates("system");
  return own.length > 0 ? own : getCACertificates("default");
}

/** The authorities that Node and this host trust. */
export function trustedCertificates(): string[] {
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
}
