/**
 * A real registry on loopback: Debian's docker-registry with TLS and basic auth, filled with small images by skopeo. In front of
 * it a gate that counts requests and can refuse, break and change answers.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runProgram } from "../../src/host/program.ts";
import { findProgram } from "../../src/host/find-program.ts";
import { RegistryGate } from "./registry-gate.ts";

const USER = { name: "kvci", password: "world" } as const;
/** bcrypt of the password, the one kind that docker-registry takes: `htpasswd -nbB`. */
const HTPASSWD = "kvci:$2b$05$kvciBuildTestsOfTheWoe1iGnegqvRBEmcRKkjlKDIRsUqmqGznq\n";

/** A running registry. */
export class RegistryWorld implements AsyncDisposable {
  /** `localhost:PORT`: what references begin with. */
  readonly host: string;
  readonly port: number;
  readonly gate: RegistryGate;
  /** PEM of the certificate, which signed itself. */
  readonly certificate: string;
  /** What REGISTRY_AUTH_FILE is to name. */
  readonly authFile: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(of: {
    readonly folder: string;
    readonly child: ChildProcess;
    readonly port: number;
    readonly gate: RegistryGate;
  }) {
    this.#folder = of.folder;
    this.#child = of.child;
    this.port = of.port;
    this.gate = of.gate;
    this.host = `localhost:${String(of.port)}`;
    this.certificate = join(of.folder, "tls.crt");
    this.authFile = join(of.folder, "auth.json");
  }

  /** @param folder an empty one, for its files. */
  static async start(folder: string): Promise<RegistryWorld> {
    const key = join(folder, "tls.key");
    const certificate = join(folder, "tls.crt");
    await runProgram(
      [
        ...([
          "openssl",
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:prime256v1",
          "-nodes",
        ] as const),
        ...["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:10.0.2.2"],
        ...["-keyout", key, "-out", certificate],
      ],
      OPTIONS,
    );
    await mkdir(join(folder, "data"));
    await writeFile(join(folder, "htpasswd"), HTPASSWD);
    await writeFile(join(folder, "config.yml"), configuration(folder));
    const program = (await findProgram("docker-registry", SEARCH)) ?? "docker-registry";
    const child = spawn(program, ["serve", join(folder, "config.yml")], { stdio: ["ignore", "ignore", "pipe"] });
    const port = await listening(child);
    const gate = await RegistryGate.start({ port, key, certificate });
    const world = new RegistryWorld({ folder, child, port, gate });
    const auth = Buffer.from(`${USER.name}:${USER.password}`).toString("base64");
    const hosts = [world.host, gate.host, `10.0.2.2:${String(port)}`];
    await writeFile(
      world.authFile,
      JSON.stringify({ auths: Object.fromEntries(hosts.map((host) => [host, { auth }])) }),
      { mode: 0o600 },
    );
    return world;
  }

  /** What skopeo needs in its environment to be let in. */
  get env(): Record<string, string> {
    return { REGISTRY_AUTH_FILE: this.authFile, SSL_CERT_FILE: this.certificate };
  }

  /** `name:password`, for programs that want it so. */
  get credentials(): string {
    return `${USER.name}:${USER.password}`;
  }

  /**
   * Puts an image of an OCI layout into the registry.
   *
   * @param options.keep layers stay as they are; else they are compressed, as those of most images.
   * @param options.format of the manifest: skopeo's `oci` or `v2s2`.
   */
  async push(
    source: string,
    name: string,
    { keep = false, format }: { readonly keep?: boolean; readonly format?: "oci" | "v2s2" } = {},
  ): Promise<string> {
    const options = [...(keep ? ["--preserve-digests"] : []), ...(format ? ["--format", format] : [])];
    const ref = `${this.host}/${name}`;
    await runProgram(
      ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", ...options, source, `docker://${ref}`],
      { ...OPTIONS, env: this.env },
    );
    return ref;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gate[Symbol.asyncDispose]();
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }

  /** Where its files are. */
  get folder(): string {
    return this.#folder;
  }
}

const OPTIONS = { signal: new AbortController().signal, timeoutMs: 60_000 };
const SEARCH = { path: process.env["PATH"] ?? "", toolsFolder: "" };

function configuration(folder: string): string {
  return [
    "version: 0.1",
    "log: {level: info, accesslog: {disabled: true}}",
    `storage: {filesystem: {rootdirectory: ${JSON.stringify(join(folder, "data"))}}, delete: {enabled: true}}`,
    "http:",
    '  addr: "127.0.0.1:0"',
    "  relativeurls: true",
    "  secret: world",
    `  tls: {certificate: ${JSON.stringify(join(folder, "tls.crt"))}, key: ${JSON.stringify(join(folder, "tls.key"))}}`,
    `auth: {htpasswd: {realm: world, path: ${JSON.stringify(join(folder, "htpasswd"))}}}`,
    "",
  ].join("\n");
}

/** The port that the kernel picked, which the registry logs. */
async function listening(child: ChildProcess): Promise<number> {
  const { stderr } = child;
  if (!stderr) throw new Error("no pipe");
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`docker-registry ended: ${said.join("\n")}`)));
    createInterface({ input: stderr }).on("line", (line) => {
      said.push(line);
      const port = /listening on [^ ]*:(\d+)/.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}
