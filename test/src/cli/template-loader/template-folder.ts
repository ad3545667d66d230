import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A folder with the files of one test. Broken templates are no files of the repository. */
export interface TemplateFolder {
  readonly path: string;
}

/** Gives a function that makes such folders; each is gone after the test, inside the `describe` this is called in. */
export function templateFolders(): (files: Readonly<Record<string, string>>) => Promise<TemplateFolder> {
  const made: string[] = [];
  afterEach(async () => {
    await Promise.all(made.splice(0).map((path) => rm(path, { recursive: true, force: true })));
  });
  return async (files) => {
    const path = await realpath(await mkdtemp(join(tmpdir(), "kvci templates ")));
    made.push(path);
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), content);
    }
    return { path };
  };
}

/** A template with one line of its own, the sixth. */
export function templateSaying(line: string, name = "t"): string {
  return `import * as kvci from "kvci-build";
const { copyIn, defineStep, defineTemplate, fromTemplate, localDisk, packages, run, writeFile } = kvci;

export default defineTemplate({
  name: "${name}",
  ${line}
});
`;
}

export const DEBIAN = 'base: packages({ distribution: "debian", release: "12" })';
