import { glob, readdir, realpath, stat } from "node:fs/promises";
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

/**
 * The files of templates by their names, of which some may be patterns: `*`, `?`, `[…]`, `{…}`, with or without extension.
 * A pattern is matched in the places where names are looked up, and stands for all that fits in the first place where
 * something does. A name that is a file's own, brackets and all, is no pattern.
 *
 * @returns absolute paths, each file once, in the order of the names; those of a pattern with their numbers in order.
 * @throws {KvciError} `template-not-found` for the first name that nothing fits.
 */
export async function findTemplates(
  names: readonly string[],
  { cwd, templatesDir }: { cwd: string; templatesDir: string },
): Promise<string[]> {
  const lookup: Lookup = { kind: "template", folders: [cwd, join(cwd, "templates"), templatesDir] };
  const found = new Map<string, string>();
  for (const name of names) {
    for (const path of await findAll(name, lookup)) found.set(await realpath(path), path);
  }
  return [...found.values()];
}

/**
 * All templates: those of `cwd`'s `templates/`, or where there are none, of `templatesDir`.
 *
 * @throws {KvciError} `template-not-found`
 */
export async function allTemplates({ cwd, templatesDir }: { cwd: string; templatesDir: string }): Promise<string[]> {
  const folders = [join(cwd, "templates"), templatesDir];
  for (const folder of folders) {
    const found = await matching("*", folder);
    if (found.length > 0) return found;
  }
  throw await notFound("*", { kind: "template", folders });
}

/** The file of an environment, looked up as templates are. @throws {KvciError} `environment-invalid` */
export function findEnvironment(
  name: string,
  { cwd, environmentsDir }: { cwd: string; environmentsDir: string },
): Promise<string> {
  return find(name, { kind: "environment", folders: [cwd, join(cwd, "environments"), environmentsDir] });
}

async function find(name: string, lookup: Lookup): Promise<string> {
  const path = await fileNamed(name, lookup);
  if (path !== undefined) return path;
  throw await notFound(name, lookup);
}

async function fileNamed(name: string, { folders }: Lookup): Promise<string | undefined> {
  const places = isAbsolute(name) ? [""] : folders;
  for (const path of places.flatMap((folder) => candidates(name).map((file) => resolve(folder, file)))) {
    if (await isFile(path)) return path;
  }
  return undefined;
}

const PATTERN = /[*?[{]/;

async function findAll(name: string, lookup: Lookup): Promise<string[]> {
  const path = await fileNamed(name, lookup);
  if (path !== undefined) return [path];
  const folders = PATTERN.test(name) ? lookup.folders : [];
  for (const folder of isAbsolute(name) ? folders.slice(0, 1) : folders) {
    const matches = await matching(name, folder);
    if (matches.length > 0) return matches;
  }
  throw await notFound(name, lookup);
}

/** Template files that fit a pattern. What packages brought is never meant. */
async function matching(pattern: string, folder: string): Promise<string[]> {
  const paths = new Set<string>();
  const options = { cwd: folder, exclude: (name: string) => basename(name) === "node_modules" };
  for await (const path of glob([pattern, ...candidates(pattern)], options)) {
    if (SOURCE.test(path) && (await isFile(resolve(folder, path)))) paths.add(resolve(folder, path));
  }
  const { compare } = new Intl.Collator("en", { numeric: true });
  return [...paths].sort(compare);
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
  return files.filter((file) => SOURCE.test(file)).map(withoutExtension);
}

const SOURCE = /(?<!\.d)\.[mc]?[jt]s$/;

function withoutExtension(file: string): string {
  return file.replace(/\.m?[jt]s$/, "");
}
