import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { KvciError, messageOf } from "../../src/core/error.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import type { runProgram } from "../../src/host/program.ts";
import { isDockerHub, type RegistryPlace } from "./registry-place.ts";

/** Who we are to a registry. */
export interface RegistryLogin {
  /** Where it comes from, for messages: a file, or variables. */
  readonly source: string;
  readonly username: string;
  readonly secret: string;
  /** An identity token is exchanged for access; it is no password. */
  readonly kind: "password" | "identity-token";
}

export interface LoginPorts {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly runProgram: typeof runProgram;
}

const authFile = z.looseObject({
  auths: z
    .record(z.string(), z.looseObject({ auth: z.string().optional(), identitytoken: z.string().optional() }))
    .optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});
type AuthFile = Readonly<z.output<typeof authFile>>;

const HELPER_TIMEOUT_MS = 30_000;

/**
 * Finds the credentials for a repository where Podman and Docker keep theirs: a robot account in the environment (for that
 * registry alone, see `loginVariables`), the file that REGISTRY_AUTH_FILE names, Podman's, Docker's with its helpers.
 *
 * @throws {KvciError} `publish-denied` for a file or helper that is named but cannot be used.
 */
export async function registryLogin(
  place: RegistryPlace,
  ports: LoginPorts,
  signal: AbortSignal,
): Promise<RegistryLogin | undefined> {
  const robot = robotLogin(place, ports);
  if (robot) return robot;
  for (const { path, isNamed } of authFiles(ports.env)) {
    const file = await readAuthFile(path, isNamed);
    const login = file && (await loginIn(file, { path, place, ports, signal }));
    if (login) return login;
  }
  return undefined;
}

/**
 * Variables that hold a robot account for one registry: `KVCI_REGISTRY_QUAY_IO_USER`, `KVCI_REGISTRY_QUAY_IO_PASSWORD`; and, for a
 * Quay, a token of its own API: `KVCI_REGISTRY_QUAY_IO_TOKEN`.
 */
export function loginVariables(host: string): {
  readonly user: string;
  readonly password: string;
  readonly token: string;
} {
  const name = host.toUpperCase().replace(/[^A-Z\d]+/g, "_");
  const prefix = `KVCI_REGISTRY_${name}`;
  return { user: `${prefix}_USER`, password: `${prefix}_PASSWORD`, token: `${prefix}_TOKEN` };
}

/** The files that are looked at, in order; one that is named by a variable must be there. */
export function authFiles(
  env: Readonly<Record<string, string | undefined>>,
): readonly { readonly path: string; readonly isNamed: boolean }[] {
  const named = env["REGISTRY_AUTH_FILE"];
  if (named) return [{ path: named, isNamed: true }];
  const { XDG_RUNTIME_DIR: runtime, XDG_CONFIG_HOME: config, DOCKER_CONFIG: docker, HOME: home } = env;
  const paths = [
    runtime && join(runtime, "containers/auth.json"),
    config ? join(config, "containers/auth.json") : home && join(home, ".config/containers/auth.json"),
    docker ? join(docker, "config.json") : home && join(home, ".docker/config.json"),
  ];
  return paths.flatMap((path) => (path ? [{ path, isNamed: false }] : []));
}

function robotLogin({ host }: RegistryPlace, { env }: LoginPorts): RegistryLogin | undefined {
  const variables = loginVariables(host);
  const [username, secret] = [env[variables.user], env[variables.password]];
  if (!username && !secret) return undefined;
  if (username && secret) return { source: variables.user, username, secret, kind: "password" };
  throw new KvciError("publish-denied", `${host}: only one of ${variables.user} and ${variables.password} is set`, {
    hint: "Set both, or none to use the files of `podman login` and `docker login`.",
  });
}

async function readAuthFile(path: string, isNamed: boolean): Promise<AuthFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (!isNamed) return undefined;
    throw new KvciError("publish-denied", `cannot read ${path}, which REGISTRY_AUTH_FILE names`, {
      hint: "Log in with `podman login REGISTRY`, or unset the variable.",
      evidence: [messageOf(cause)],
      cause,
    });
  }
  const parsed = authFile.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  // What is in it stays out of the message: it is secret.
  throw new KvciError("publish-denied", `${path} is not a file of registry credentials`, {
    hint: "Log in with `podman login REGISTRY`, which writes such a file.",
  });
}

async function loginIn(
  file: AuthFile,
  of: {
    readonly path: string;
    readonly place: RegistryPlace;
    readonly ports: LoginPorts;
    readonly signal: AbortSignal;
  },
): Promise<RegistryLogin | undefined> {
  const { place, path } = of;
  for (const key of keysOf(place)) {
    const entry = file.auths?.[key];
    const login = entry && loginOf(entry, path);
    if (login) return login;
  }
  const helper = file.credHelpers?.[place.host] ?? file.credsStore;
  return helper === undefined ? undefined : askHelper(helper, of);
}

/** Podman knows credentials for parts of a registry, the longest path first; Docker writes URLs for some. */
function keysOf({ host, repository }: RegistryPlace): string[] {
  const parts = repository.split("/");
  const paths = parts.map((_, index) => [host, ...parts.slice(0, parts.length - index)].join("/"));
  const hub = isDockerHub(host) ? ["https://index.docker.io/v1/", "index.docker.io", "docker.io"] : [];
  return [...paths, host, `https://${host}`, `https://${host}/v1/`, `https://${host}/v2/`, ...hub];
}

function loginOf(entry: NonNullable<AuthFile["auths"]>[string], source: string): RegistryLogin | undefined {
  const decoded = Buffer.from(entry.auth ?? "", "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  const username = decoded.slice(0, Math.max(0, colon));
  if (entry.identitytoken) return { source, username, secret: entry.identitytoken, kind: "identity-token" };
  // Docker ends some passwords with NULs.
  const secret = decoded.slice(colon + 1).replace(/\0+$/, "");
  return colon > 0 && secret !== "" ? { source, username, secret, kind: "password" } : undefined;
}

const helperAnswer = z.looseObject({ Username: z.string(), Secret: z.string() });

async function askHelper(
  helper: string,
  {
    path,
    place: { host },
    ports,
    signal,
  }: {
    readonly path: string;
    readonly place: RegistryPlace;
    readonly ports: LoginPorts;
    readonly signal: AbortSignal;
  },
): Promise<RegistryLogin | undefined> {
  const program = `docker-credential-${helper.replace(/[^\w.-]/g, "")}`;
  const stdin = isDockerHub(host) ? "https://index.docker.io/v1/" : host;
  try {
    const text = await ports.runProgram([program, "get"], { stdin, signal, timeoutMs: HELPER_TIMEOUT_MS });
    const answer = helperAnswer.safeParse(jsonOf(text));
    if (!answer.success) return undefined;
    const { Username: username, Secret: secret } = answer.data;
    const kind = username === "<token>" ? "identity-token" : "password";
    return { source: `${path} (${program})`, username, secret, kind };
  } catch (error) {
    // Its way to say that it has none.
    if (error instanceof KvciError && error.code === "program-failed") return undefined;
    throw new KvciError("publish-denied", `${path} sends to ${program}, which cannot be asked`, {
      hint: `Install ${program}, or log in with \`podman login ${host}\`.`,
      evidence: [messageOf(error)],
      cause: error,
    });
  }
}
