import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "../world/command.ts";

/** A web site with a certificate of an authority that nobody knows but those who are given its file. */
export class TlsSite implements AsyncDisposable {
  /** PEM file of the authority. */
  readonly authority: string;
  readonly #folder: string;
  readonly #server: Server;

  private constructor(folder: string, content: string) {
    this.#folder = folder;
    this.authority = join(folder, "authority.pem");
    const file = (each: string): Buffer => readFileSync(join(folder, each));
    this.#server = createServer({ key: file("site.key"), cert: file("site.pem") }, (_request, response) => {
      response.end(content);
    });
  }

  /** @param name for which the certificate holds, beside 127.0.0.1. */
  static async start(name: string, content: string): Promise<TlsSite> {
    const folder = mkdtempSync(join(tmpdir(), "kvci-site-"));
    await makeCertificates(folder, name);
    const site = new TlsSite(folder, content);
    await new Promise<void>((resolve) => site.#server.listen(0, "127.0.0.1", resolve));
    return site;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true });
  }
}

async function makeCertificates(cwd: string, name: string): Promise<void> {
  const openssl = (...args: readonly string[]): Promise<string> => command(["openssl", ...args], { cwd });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const names = `subjectAltName=DNS:${name},IP:127.0.0.1`;
  const authority = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-copy_extensions", "copy"];
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "authority.key",
    "-out",
    "authority.pem",
    "-subj",
    "/CN=Test Authority",
  );
  await openssl("req", ...key, "-keyout", "site.key", "-out", "site.csr", "-subj", `/CN=${name}`, "-addext", names);
  await openssl("x509", "-req", "-in", "site.csr", ...authority, "-out", "site.pem");
}
