import { mkdir, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { KvciError, messageOf } from "../core/error.ts";
import { runProgram } from "../host/program.ts";
import { appIn, type App } from "./app.ts";

/** A repository's files as they were at a revision, in a folder of their own. */
export interface Revision {
  /** Full name of the commit. */
  readonly commit: string;
  /** Where a file of the working tree is among them; undefined for one that is not in the repository. */
  readonly pathOf: (file: string) => string | undefined;
  /** The app, working where it would be among them. */
  readonly app: App;
}

const QUICK_MS = 30_000;
/** Filters (LFS) may fetch what they stand for. */
const CHECKOUT_MS = 10 * 60_000;

/**
 * Writes the files of a git revision below `folder`, from the repository that the working directory is in. The repository is not
 * changed: neither its index nor its list of work trees.
 *
 * @throws {KvciError} `usage` outside of a repository and for a revision that it does not have; `program-missing`,
 *   `program-failed`, `interrupted`
 */
export async function checkOutRevision(app: App, revision: string, folder: string): Promise<Revision> {
  const root = await topLevel(app);
  const commit = await commitOf(app, revision, root);
  const tree = join(folder, "tree");
  await mkdir(tree);
  const env = { GIT_INDEX_FILE: join(folder, "index") };
  const git = gitIn(app, root, env);
  await git(QUICK_MS, "read-tree", commit);
  await git(CHECKOUT_MS, "checkout-index", "--all", "--quiet", `--prefix=${tree}/`);
  const pathOf = (file: string): string | undefined => {
    const path = relative(root, file);
    return path.startsWith("..") ? undefined : join(tree, path);
  };
  return { commit, pathOf, app: appIn(app, pathOf(await realpath(app.cwd)) ?? tree) };
}

async function topLevel(app: App): Promise<string> {
  try {
    const path = await gitIn(app, app.cwd)(QUICK_MS, "rev-parse", "--show-toplevel");
    return await realpath(path.trim());
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new KvciError("usage", `${app.cwd} is in no git repository`, {
      hint: "Run it in the repository of the templates; --published compares without git.",
      evidence: error.evidence,
    });
  }
}

async function commitOf(app: App, revision: string, root: string): Promise<string> {
  try {
    const name = await gitIn(app, root)(QUICK_MS, "rev-parse", "--verify", "--end-of-options", `${revision}^{commit}`);
    return name.trim();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new KvciError("usage", `there is no git revision "${revision}"`, {
      hint: "Name a commit, tag or branch; a shallow clone may lack it: git fetch --depth=100 origin main.",
      evidence: error.evidence,
    });
  }
}

/** git said no, which is not the same as that it could not be run. */
function isRefusal(error: unknown): error is KvciError {
  return error instanceof KvciError && error.code === "program-failed" && / exited /.test(messageOf(error));
}

type Git = (timeoutMs: number, ...args: readonly string[]) => Promise<string>;

function gitIn({ signal }: App, folder: string, env: Readonly<Record<string, string>> = {}): Git {
  return (timeoutMs, ...args) => runProgram(["git", "-C", folder, ...args], { signal, timeoutMs, env });
}
