import { readdir, stat } from "node:fs/promises";
import { basename, isAbsolute, join, resolve } from "node:path";
import { KvciError } from "../../core/error.ts";
import { didYouMean } from "../../core/near-name.ts";

/** What a name may end in when it is a file's; also what is tried when it is not. `.js` is what the installed package has. */
const EXTENSIONS = [".ts", ".js", ".mts", ".mjs"] as const;

interface Lookup {
  readonly kind: "template" | "environment";
  /** Searched in this order; the first is where relative paths start. */
  readonly folders: readonly string[];
}

/**
 * The file of a template: `name` as a path from `cwd`, then in `cwd`'s `templates/`, then in `templatesDir`; with and
 * without extension.
 *
 * @returns an absolute path.
 * @throws {KvciError} `template-not-found` with the nearest name and the names there are.
 */
export function findTemplate(
  name: string,
  { cwd, templatesDir }: { cwd: string; templatesDir: string },
): Promise<string> {
  return find(name, { kind: "template", folders: [cwd, join(cwd, "templates"), templatesDir] });
}

/** The file of an environment, looked up as templates are. @throws {KvciError} `environment-invalid` */
export function findEnvironment(
  name: string,
  { cwd, environmentsDir }: { cwd: string; environmentsDir: string },
): Promise<string> {
  return find(name, { kind: "environment", folders: [cwd, join(cwd, "environments"), environmentsDir] });
}

async function find(name: string, lookup: Lookup): Promise<string> {
  const folders = isAbsolute(name) ? [""] : lookup.folders;
  for (const path of folders.flatMap((folder) => candidates(name).map((file) => resolve(folder, file)))) {
    if (await isFile(path)) return path;
  }
  throw await notFound(name, lookup);
}

function candidates(name: string): string[] {
  const extension = EXTENSIONS.find((ending) => name.endsWith(ending));
  if (extension === undefined) return EXTENSIONS.map((ending) => name + ending);
  return extension === ".ts" ? [name, name.replace(/\.ts$/, ".js")] : [name];
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ?? false;
}

async function notFound(name: string, { kind, folders }: Lookup): Promise<KvciError> {
  const [here, ...named] = await Promise.all([...new Set(folders)].map(namesIn));
  const known = named.flat().sort();
  const wanted = withoutExtension(basename(name));
  const list = known.length === 0 ? "There are none yet." : `There are: ${[...new Set(known)].join(", ")}.`;
  return new KvciError(
    kind === "template" ? "template-not-found" : "environment-invalid",
    `no ${kind} "${name}"${didYouMean(wanted, [...known, ...(here ?? [])])}`,
    {
      hint: `${list} A path to a file works as well.`,
      evidence: isAbsolute(name) ? [] : folders.map((folder) => `looked in ${folder}`),
    },
  );
}

async function namesIn(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch(() => []);
  return files.filter((file) => /(?<!\.d)\.[mc]?[jt]s$/.test(file)).map(withoutExtension);
}

function withoutExtension(file: string): string {
  return file.replace(/\.m?[jt]s$/, "");
}
