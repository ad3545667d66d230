/**
 * Everything that a Kubernetes node is made of but its distribution, on the loopback: the signed package repository, the release
 * files of projects, a registry with the images, and a distribution's cloud image behind TLS. Small, and in the structure of the
 * real ones. Debian's own packages come from where this host has them.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { packages, platformOf } from "../../src/core/base.ts";
import { Disposer, disposedOnError } from "../../src/core/disposal.ts";
import type { EnvironmentInput } from "../../src/core/environment.ts";
import { needsOf } from "../../src/core/needs-of.ts";
import type { Template } from "../../src/core/template.ts";
import { manifestImages } from "../../src/lock/manifest-images.ts";
import { HttpProxy } from "../fakes/http-proxy.ts";
import { aptRepository } from "./apt-repository.ts";
import { command } from "./command.ts";
import { manifestAt } from "./kubernetes-manifests.ts";
import { kubernetesDebs, type PackagedVersions } from "./kubernetes-packages.ts";
import { RegistryWorld } from "./registry.ts";
import { signingKey } from "./signing-key.ts";
import { fill, type SmallImage } from "./small-images.ts";
import { staticServer, type StaticServer } from "./static-server.ts";

const PLATFORM = platformOf(packages({ distribution: "debian", release: "12" }), "amd64");
/** Whose files this world has. */
const FILE_HOSTS = ["pkgs.k8s.io", "github.com", "raw.githubusercontent.com"];
/** Nobody signs its checksums, so they are asked for by name and by TLS. */
const CLOUD_HOST = "cloud.centos.org";
const CLOUD_FOLDER = `https://${CLOUD_HOST}/centos/10-stream/x86_64/images/`;
const CLOUD_IMAGE = "CentOS-Stream-GenericCloud-10-20260101.0.x86_64.qcow2";

export interface WorldRequest {
  /** The node that is to be made of it. */
  readonly template: Pick<Template, "steps">;
  readonly minor: string;
  readonly versions: PackagedVersions;
}

interface Parts {
  readonly folder: string;
  readonly registry: RegistryWorld;
  readonly files: StaticServer;
  readonly proxy: HttpProxy;
  readonly certificate: string;
  readonly images: readonly string[];
  readonly open: Disposer;
}

export class KubernetesWorld implements AsyncDisposable {
  /** Every image of the registry, by the name that the world outside knows it by. */
  readonly images: readonly string[];
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.images = parts.images;
  }

  static async start({ template, minor, versions }: WorldRequest): Promise<KubernetesWorld> {
    return disposedOnError(new Disposer(), async (open) => {
      const folder = await mkdtemp(join(tmpdir(), "kvci-kubernetes-"));
      open.use({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) });
      const upstream = join(folder, "upstream");
      const images = await writeFiles(upstream, template);
      await writePackages(join(upstream, `pkgs.k8s.io/core:/stable:/v${minor}/deb`), versions);
      await writeCloudImage(join(upstream, CLOUD_HOST));
      await mkdir(join(folder, "registry"));
      const registry = open.use(await RegistryWorld.start(join(folder, "registry")));
      await fill(registry, images.map(smallImage));
      const tls = await certificateFor(CLOUD_HOST, folder);
      const files = open.use(await staticServer(upstream));
      const cloud = open.use(await staticServer(join(upstream, CLOUD_HOST), { tls }));
      const proxy = open.use(await HttpProxy.start({ [`${CLOUD_HOST}:443`]: cloud.port }));
      const certificate = join(folder, "site.pem");
      return new KubernetesWorld({ folder, registry, files, proxy, certificate, images, open });
    });
  }

  /** An environment in which all of it is found. */
  get environment(): EnvironmentInput {
    const { registry, files, proxy, certificate } = this.#parts;
    const registries = new Set(this.images.map((ref) => ref.slice(0, ref.indexOf("/"))));
    return {
      mirrors: Object.fromEntries(FILE_HOSTS.map((host) => [`https://${host}/`, [`${files.url}/${host}/`]])),
      registries: Object.fromEntries([...registries].map((name) => [name, [{ location: `${registry.host}/${name}` }]])),
      // Only one place is behind it: what asks another gets no answer.
      proxy: { https: proxy.url, no: ["127.0.0.1", "localhost"] },
      caCertificates: [registry.certificate, certificate],
    };
  }

  /** How programs get into the registry. */
  get env(): Readonly<Record<string, string>> {
    return { REGISTRY_AUTH_FILE: this.#parts.registry.authFile };
  }

  /** Host and port of each of its servers: what no image may name. */
  get places(): readonly string[] {
    const { registry, files, proxy } = this.#parts;
    return [registry.host, new URL(files.url).host, new URL(proxy.url).host];
  }

  /** What was asked of the proxy. */
  get proxied(): readonly string[] {
    return this.#parts.proxy.requests;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.open[Symbol.asyncDispose]();
  }
}

/** The manifests and archives that the template fetches. @returns every image that is needed with them. */
async function writeFiles(upstream: string, { steps }: Pick<Template, "steps">): Promise<readonly string[]> {
  const images = new Set<string>();
  for (const need of needsOf(steps, PLATFORM)) {
    if (need.kind === "container-image") images.add(need.ref);
    else if (need.kind === "manifest") {
      const text = manifestAt(need.url);
      for (const image of manifestImages(text, need.url).images) images.add(image);
      await put(upstream, need.url, text);
    } else if (need.kind === "file" && need.url.endsWith(".tar.gz")) await writeProgram(upstream, need.url);
  }
  return [...images].sort();
}

async function put(upstream: string, url: string, content: string): Promise<string> {
  const path = join(upstream, url.replace("https://", ""));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content, { mode: 0o755 });
  return path;
}

/** An archive with one program, named as the archive begins: `istioctl-1.30.2-linux-amd64.tar.gz`. */
async function writeProgram(upstream: string, url: string): Promise<void> {
  const archive = await put(upstream, url, "");
  const [name = ""] = url.split("/").at(-1)?.split("-") ?? [];
  await writeFile(join(dirname(archive), name), `#!/bin/sh\necho ${name}\n`, { mode: 0o755 });
  await command(["tar", "--create", "--gzip", `--file=${archive}`, `--directory=${dirname(archive)}`, name]);
}

async function writePackages(folder: string, versions: PackagedVersions): Promise<void> {
  const key = await signingKey("isv:kubernetes OBS Project <isv:kubernetes@build.example.org>");
  try {
    await aptRepository(folder, { packages: kubernetesDebs(versions), key });
    await writeFile(join(folder, "Release.key"), key.publicKey);
  } finally {
    await key[Symbol.asyncDispose]();
  }
}

/** As CentOS lists it: an index for people, and one checksum file without a signature. */
async function writeCloudImage(folder: string): Promise<void> {
  const place = join(folder, new URL(CLOUD_FOLDER).pathname);
  await mkdir(place, { recursive: true });
  await command(["qemu-img", "create", "-q", "-f", "qcow2", join(place, CLOUD_IMAGE), "10M"]);
  const [digest = ""] = (await command(["sha256sum", join(place, CLOUD_IMAGE)])).split(" ");
  await writeFile(join(place, "CHECKSUM"), `# ${CLOUD_IMAGE}: 196616 bytes\nSHA256 (${CLOUD_IMAGE}) = ${digest}\n`);
}

/** Images of one registry share two layers; every fifth is an index, every seventh in Docker's format. */
function smallImage(ref: string, index: number): SmallImage {
  const [registry = ""] = ref.split("/");
  return {
    name: ref,
    layers: [`base-${String(index % 3)}`, `runtime-of-${registry}`, `own-${String(index)}`],
    ...(index % 5 === 4 ? { platforms: "index" as const } : {}),
    ...(index % 7 === 6 ? { format: "v2s2" as const } : {}),
  };
}

async function certificateFor(host: string, cwd: string): Promise<{ readonly cert: string; readonly key: string }> {
  const name = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const [key, cert] = [join(cwd, "site.key"), join(cwd, "site.pem")];
  await command(["openssl", "req", "-x509", ...kind, ...name, "-keyout", key, "-out", cert]);
  return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
}
