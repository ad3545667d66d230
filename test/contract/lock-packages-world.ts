import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DistributionRepository } from "../../src/core/distribution-repositories.ts";
import { KvciError } from "../../src/core/error.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { parseLock, platformKey, type PackageLock } from "../../src/core/lock.ts";
import { needsOf } from "../../src/core/needs-of.ts";
import type { ImageOp } from "../../src/core/op.ts";
import type { Platform } from "../../src/core/platform.ts";
import type { Step } from "../../src/core/step.ts";
import {
  repositoryFiles,
  resolvePackages,
  type PackageResolverOptions,
} from "../../src/lock/packages/resolve-packages.ts";
import { staticServer, type StaticServer, type StaticServerOptions } from "../world/static-server.ts";

/** The tree is made from the distribution's mirror the first time. */
export const TREE_TIMEOUT_MS = 10 * 60_000;

type Sets = Awaited<ReturnType<typeof resolvePackages>>;

/** Package repositories on the loopback, where `https://host/path` is at `/https/host/path`, as a relay has it. */
export class PackageWorld implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "kvci-lock-packages-"));
  /** Answers a request instead of the file. */
  intercept: StaticServerOptions["intercept"];
  readonly #platform: Platform;
  readonly #baseRepositories: readonly DistributionRepository[];
  #server: StaticServer | undefined;
  #runs = 0;

  constructor(platform: Platform, baseRepositories: readonly DistributionRepository[]) {
    this.#platform = platform;
    this.#baseRepositories = baseRepositories;
  }

  async start(): Promise<void> {
    this.#server = await staticServer(this.folder, {
      intercept: async (request, response) => (await this.intercept?.(request, response)) ?? false,
    });
  }

  /** What the relay file of a guest says. */
  get relay(): string {
    assert.ok(this.#server);
    return this.#server.url;
  }

  get requests(): readonly string[] {
    return this.#server?.requests ?? [];
  }

  /** The folder behind a URL. */
  at(url: string): string {
    return join(this.folder, url.replace("://", "/"));
  }

  /** What `kvci-build lock` would ask for these steps. */
  resolve(steps: readonly Step[], change: Partial<PackageResolverOptions> = {}): Promise<Sets> {
    return resolvePackages(this.#options(steps, change));
  }

  indexFiles(steps: readonly Step[]): Promise<readonly string[]> {
    return repositoryFiles(this.#options(steps, {}));
  }

  /** The steps' ops by a lock that was just resolved. */
  ops(steps: readonly Step[], sets: Sets | undefined): ImageOp[] {
    const lock = sets && this.lockOf(sets);
    return steps.flatMap((step) => step.ops(this.#platform, lock)).filter(isImageOp);
  }

  /** As a plan sees a lock that was written and read again. */
  lockOf(sets: Sets): PackageLock {
    const dated = Object.entries(sets).map(([name, set]) => [name, { ...set, resolvedAt: "2026-01-01T00:00:00Z" }]);
    const packages = { [platformKey(this.#platform)]: Object.fromEntries(dated) as unknown };
    const lock = parseLock(JSON.parse(JSON.stringify({ formatVersion: 1, packages })), "kvci-build.lock.json");
    return (set) => lock.packages[platformKey(this.#platform)]?.[set];
  }

  #options(steps: readonly Step[], change: Partial<PackageResolverOptions>): PackageResolverOptions {
    const workDir = join(this.folder, "work", String(this.#runs++));
    mkdirSync(workDir, { recursive: true });
    return {
      platform: this.#platform,
      needs: needsOf(steps, this.#platform).filter((need) => need.kind === "repository" || need.kind === "packages"),
      basePackages: [],
      baseRepositories: this.#baseRepositories,
      rewrite: (url) => `${this.relay}/${url.replace("://", "/")}`,
      keys: () => Promise.reject(new TypeError("every key is in the template")),
      workDir,
      signal: new AbortController().signal,
      journal: silentJournal,
      ...change,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function isImageOp(op: { readonly kind: string }): op is ImageOp {
  return ["run", "write-file", "copy-in", "fetch-in"].includes(op.kind);
}

/** The error of work that has to fail with one of ours. */
export async function failureOf(work: Promise<unknown>): Promise<KvciError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof KvciError) return error;
    throw error;
  }
  return assert.fail("it did not fail");
}
