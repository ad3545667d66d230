import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { writing } from "../../src/core/file-system-error.ts";
import { jsonOf } from "../../src/core/parse-json.ts";
import { writeFileAtomic } from "../../src/store/atomic.ts";
import type { RegistryPlace } from "./registry-place.ts";

const known = z.object({ repositories: z.record(z.string(), z.array(z.string())) });
/** Digests kept for a repository, the latest; older layers are uploaded again if anybody wants them. */
const MOST = 500;

/**
 * Which repositories of a registry had which blobs when we last put some there: a hint for mounting, of which nothing else
 * depends. Two runs that write at once lose entries of one, which costs an upload.
 */
export class KnownLayers {
  readonly #storeRoot: string;

  constructor(storeRoot: string) {
    this.#storeRoot = storeRoot;
  }

  /** Other repositories of the registry that have a blob. */
  async holders({ host, repository }: RegistryPlace, digest: string): Promise<readonly string[]> {
    const { repositories } = await this.#read(host);
    return Object.entries(repositories)
      .filter(([name, digests]) => name !== repository && digests.includes(digest))
      .map(([name]) => name)
      .sort();
  }

  async add({ host, repository }: RegistryPlace, digests: readonly string[]): Promise<void> {
    const { repositories } = await this.#read(host);
    const all = [...new Set([...digests, ...(repositories[repository] ?? [])])].slice(0, MOST);
    const text = JSON.stringify({ repositories: { ...repositories, [repository]: all } });
    const path = this.#path(host);
    await writing(path, async () => {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFileAtomic(path, text);
    });
  }

  async #read(host: string): Promise<z.output<typeof known>> {
    const text = await readFile(this.#path(host), "utf8").catch(() => "");
    return known.safeParse(jsonOf(text)).data ?? { repositories: {} };
  }

  #path(host: string): string {
    return join(this.#storeRoot, "publish", "registries", `${host.replace(/[^\w.-]/g, "_")}.json`);
  }
}
