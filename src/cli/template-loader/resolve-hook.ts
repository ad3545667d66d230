/**
 * The one place that touches Node's module loader. The hook makes `kvci-build` mean this very process in a template
 * anywhere on the disk, and remembers who imports whom, which is where errors are looked for. Hooks belong to the process
 * and cannot be taken out again, so the state lives here, beside them.
 */
import { registerHooks, type ResolveFnOutput } from "node:module";
import { INDEX_URL, isTemplateSource } from "./own-files.ts";

export interface FailedImport {
  /** File URL of the importing module. */
  readonly importer: string;
  readonly specifier: string;
}

const importsOf = new Map<string, Set<string>>();
const failedImports = new WeakMap<object, FailedImport>();
let installed = false;

/** Idempotent. Modules that no template imports are resolved by Node as ever. */
export function installResolveHook(): void {
  if (installed) return;
  installed = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const importer = context.parentURL ?? "";
      if (!isTemplateSource(importer)) return asModule(nextResolve(specifier, context));
      if (specifier === "kvci-build") return { url: INDEX_URL, shortCircuit: true };
      const result = remembering({ importer, specifier }, () => nextResolve(specifier, context));
      importsOf.set(importer, (importsOf.get(importer) ?? new Set()).add(result.url));
      return asModule(result);
    },
  });
}

function remembering<T>(attempt: FailedImport, resolve: () => T): T {
  try {
    return resolve();
  } catch (error) {
    if (typeof error === "object" && error !== null) failedImports.set(error, attempt);
    throw error;
  }
}

/** A template is an ES module whatever the package.json around it says, or none does (Node would guess, and warn). */
function asModule(result: ResolveFnOutput): ResolveFnOutput {
  return result.url.endsWith(".ts") && isTemplateSource(result.url)
    ? { ...result, format: "module-typescript" }
    : result;
}

/** The import that could not be resolved, if that is what `error` is about. */
export function failedImport(error: unknown): FailedImport | undefined {
  return typeof error === "object" && error !== null ? failedImports.get(error) : undefined;
}

/** `entry` and the template sources it imports, directly or not, in the order they were met. File URLs. */
export function sourcesReachedFrom(entry: string): readonly string[] {
  const reached = new Set([entry]);
  for (const url of reached) {
    for (const imported of importsOf.get(url) ?? []) if (isTemplateSource(imported)) reached.add(imported);
  }
  return [...reached];
}
