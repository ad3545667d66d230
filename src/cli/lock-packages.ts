import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { withDisposal } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError, messageOf } from "../core/error.ts";
import { platformKey } from "../core/lock.ts";
import { askAll, type Failure } from "../lock/answers.ts";
import { fetchFloating } from "../lock/fetch-floating.ts";
import { packageTask, taskKey, type LockTarget, type PackageTask } from "../lock/lock-targets.ts";
import type { MirrorFile } from "../lock/mirror-folder.ts";
import { repositoryFiles, resolvePackages, type PackageResolverOptions } from "../lock/packages/resolve-packages.ts";
import type { LockPorts } from "../lock/resolve-lock.ts";
import { programsFor } from "../host/programs.ts";
import { openNetwork } from "./guest-network.ts";
import { ensure } from "./need-programs.ts";
import type { Session } from "./session.ts";

interface Access {
  readonly session: Session;
  readonly environment: Environment;
}

/** Package sets, by the host's apt or dnf. */
export function packageSets(access: Access): LockPorts["packages"] {
  return (task) => withResolver(task, access, resolvePackages);
}

/** Each reads whole indexes. */
const AT_ONCE = 2;

/** The index files (their signatures are checked in the guest) of all repositories that these targets install from. */
export async function repositoryIndexes(
  targets: readonly LockTarget[],
  access: Access,
): Promise<{ readonly files: readonly MirrorFile[]; readonly failures: readonly Failure[] }> {
  const tasks = new Map(targets.flatMap((target) => packageTask(target) ?? []).map((task) => [taskKey(task), task]));
  const urls = new Set<string>();
  const questions = [...tasks].map(([key, task]) => ({
    key,
    entry: `indexes of ${platformKey(task.platform)}`,
    ask: async () => {
      for (const url of await withResolver(task, access, repositoryFiles)) urls.add(url);
    },
  }));
  if (questions.length === 0) return { files: [], failures: [] };
  const span = { name: `read package indexes (${questions.length})`, kind: "phase" } as const;
  const failures = await access.session.journal.span(span, () => askAll(questions, AT_ONCE));
  return { files: [...urls].sort().map((url) => ({ url, signed: true })), failures };
}

/** apt and dnf know nothing of the environment's mirrors, proxies and certificates: where there are some, they ask the relay. */
async function withResolver<T>(
  task: PackageTask,
  { session, environment }: Access,
  work: (options: PackageResolverOptions) => Promise<T>,
): Promise<T> {
  const { store, journal, signal } = session;
  const { platform, needs, basePackages } = task;
  await ensure(session, programsFor([platform.family === "apt" ? "lock-apt" : "lock-dnf"], platform.arch));
  return withDisposal(await openNetwork({ environment, session }, journal), async ({ relay }) =>
    withDisposal(await store.temporaryFolder("packages"), ({ path: workDir }) =>
      work({
        platform,
        needs,
        basePackages,
        workDir,
        signal,
        journal,
        rewrite: (url) => (relay === undefined ? url : `${relay}/${url.replace("://", "/")}`),
        keys: (key) =>
          "file" in key ? readKey(resolve(task.dir, key.file)) : fetchKey(key.url, { session, environment }),
      }),
    ),
  );
}

async function readKey(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: unknown) => {
    throw new KvciError("template-invalid", `cannot read the signing key ${path}: ${messageOf(error)}`, {
      hint: "Paths are relative to the template's folder.",
      cause: error,
    });
  });
}

async function fetchKey(url: string, { session, environment }: Access): Promise<string> {
  const { store, journal, signal } = session;
  const { path } = await fetchFloating(url, { upstream: environment, store, journal, signal });
  return readFile(path, "utf8");
}
