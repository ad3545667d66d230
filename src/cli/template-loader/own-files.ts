import { fileURLToPath } from "node:url";

// The folder above src/: the checkout, or dist/ of the installed package, where everything is compiled to .js.
const ROOT = new URL("../../../", import.meta.url);
const EXTENSION = import.meta.url.endsWith(".ts") ? "ts" : "js";
const SOURCES_URL = new URL("src/", ROOT).href;
const OURS = ["templates/", "environments/"].map((folder) => new URL(folder, ROOT).href);

/** What `import … from "kvci-build"` means in a template: the very module that this process runs. */
export const INDEX_URL = new URL(`src/index.${EXTENSION}`, ROOT).href;
/** The templates and environments that come with kvci-build; absolute paths. */
export const TEMPLATES_DIR = fileURLToPath(new URL("templates", ROOT));
export const ENVIRONMENTS_DIR = fileURLToPath(new URL("environments", ROOT));

/** Whether a module is a template, an environment, or beside them: neither of our sources, nor Node's, nor a package's. */
export function isTemplateSource(url: string): boolean {
  if (!url.startsWith("file:") || url.startsWith(SOURCES_URL)) return false;
  return !url.includes("/node_modules/") || OURS.some((folder) => url.startsWith(folder));
}
