import { readFile } from "node:fs/promises";
import { httpFiles, type FetchFile } from "../base/http-file.ts";
import { resolveCloudImage } from "../base/resolve.ts";
import { upstreamUrls } from "../base/upstream.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import { resolveImage } from "../images/resolve-image.ts";
import type { RegistryAccess } from "../images/registries-conf.ts";
import { fetchFloating, type FloatingOptions } from "../lock/fetch-floating.ts";
import { manifestImages } from "../lock/manifest-images.ts";
import type { LockPorts } from "../lock/resolve-lock.ts";
import type { Session } from "./session.ts";

/** Manifests are read into memory; the largest of the addons has 5 MB. */
const MANIFEST_LIMIT_BYTES = 64 * 1024 * 1024;

export interface LockAccess {
  readonly environment: Environment;
  readonly registries: RegistryAccess;
  readonly packages: LockPorts["packages"];
}

/** Asks those who know: distributions, file servers, registries, by the environment's mirrors. */
export function lockPorts({ app, store, journal, signal }: Session, access: LockAccess): LockPorts {
  const { environment, registries } = access;
  const { mirrors, baseUrl } = environment;
  const fetchFile = upstreamFiles(environment, httpFiles({ signal }));
  const floating: FloatingOptions = { upstream: environment, store, journal, signal };
  const now = (): Date => new Date(app.now());
  return {
    now,
    cloudImage: (image, arch) => resolveCloudImage(image, arch, { fetchFile, now, mirrors }),
    packages: access.packages,
    file: async (url) => {
      const { digest, bytes } = await fetchFloating(url, floating);
      return { digest, bytes };
    },
    manifest: async (url) => {
      const { digest, bytes, path } = await fetchFloating(url, { ...floating, limitBytes: MANIFEST_LIMIT_BYTES });
      const { images, untagged } = manifestImages(await readFile(path, "utf8"), url);
      return { digest, bytes, images: [...images], untagged };
    },
    image: (ref) =>
      baseUrl === undefined
        ? resolveImage(ref, { access: registries, signal, journal })
        : Promise.reject(noRegistry(ref, baseUrl)),
  };
}

/** With a base URL nothing else is asked; mirrors are for `resolveCloudImage` to choose, which knows what is signed. */
function upstreamFiles(environment: Environment, fetchFile: FetchFile): FetchFile {
  if (environment.baseUrl === undefined) return fetchFile;
  return (url) => fetchFile(upstreamUrls(url, environment)[0] ?? url);
}

function noRegistry(ref: string, baseUrl: string): KvciError {
  return new KvciError("registry-failed", `${ref}: no registry can be asked, ${baseUrl} stands for all of them`, {
    hint: "Resolve images where registries can be reached (--env local), and bring the lock with what `lock --fetch` collects.",
  });
}
