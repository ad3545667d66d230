import { pathToFileURL } from "node:url";
import type { KvciError } from "../../core/error.ts";
import type { Problem, SourceContext } from "./problem.ts";
import { installResolveHook } from "./resolve-hook.ts";

/** How long evaluating a template may take: they are data, so a second would do even on a slow disk. */
const LOAD_DEADLINE_MS = 10_000;

/** Frames kept of an error while templates are evaluated: a family may be a few functions deep, and so is zod. */
const STACK_FRAMES = 50;

/**
 * Imports a template or environment and gives its default export to `check`; what either throws comes out with file,
 * line and column.
 *
 * @param deadlineMs milliseconds that evaluating may take.
 * @throws {KvciError} `template-invalid` or `environment-invalid`
 */
export async function loadDefault<T>(
  context: SourceContext,
  check: (value: unknown) => T,
  deadlineMs: number = LOAD_DEADLINE_MS,
): Promise<T> {
  installResolveHook();
  const framesBefore = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_FRAMES;
  try {
    const module = await withDeadline(import(pathToFileURL(context.file).href), deadlineMs, context);
    return check(await defaultOf(module, context));
  } catch (error) {
    throw await explained(error, context);
  } finally {
    Error.stackTraceLimit = framesBefore;
  }
}

/** As `explainError`, with the parser loaded only now that there is something to explain. */
export async function explained(
  error: unknown,
  context: SourceContext,
  at?: readonly (string | number)[],
): Promise<KvciError> {
  const { explainError } = await import("./template-error.ts");
  return explainError(error, context, at);
}

/** As `locatedError`, loaded when needed. */
export async function problemError(problems: readonly Problem[], context: SourceContext): Promise<KvciError> {
  const { locatedError } = await import("./template-error.ts");
  return locatedError(problems, context);
}

async function withDeadline(work: Promise<unknown>, deadlineMs: number, context: SourceContext): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, deadlineMs, undefined);
  });
  try {
    const module = await Promise.race([work, late]);
    if (module !== undefined) return module;
    const { unfinishedError } = await import("./template-error.ts");
    throw await unfinishedError(deadlineMs, context);
  } finally {
    clearTimeout(timer);
  }
}

/** The default export, if it can be what it should be: an object. */
async function defaultOf(module: unknown, context: SourceContext): Promise<unknown> {
  const value: unknown = (module as { readonly default?: unknown }).default;
  if (typeof value === "object" && value !== null) return value;
  const { wrongExportError } = await import("./template-error.ts");
  throw await wrongExportError(value, context);
}
