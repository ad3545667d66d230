/** Turns whatever went wrong in a template into an error that names file, line and column, and shows the source there. */
import { fileURLToPath, pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { KvciError, messageOf, type ErrorCode } from "../../core/error.ts";
import { describeIssue, InputError, type InputIssue } from "../../core/input.ts";
import { excerpt, showFile, showPlace } from "./excerpt.ts";
import { importProblem, missingExportHint } from "./import-problem.ts";
import {
  callAt,
  callOf,
  locateInExport,
  locateIssue,
  locateText,
  locateType,
  type Found,
  type Place,
} from "./locate.ts";
import { failedImport, sourcesReachedFrom } from "./resolve-hook.ts";
import type { Problem, SourceContext } from "./problem.ts";
import { framesOf, syntaxFrame, type Frame } from "./stack.ts";
import { parseSource, syntaxErrorIn, type SyntaxTree } from "./syntax-tree.ts";

/**
 * The error to show for one that loading a template (or planning it) threw. Errors that are not about the template
 * (`interrupted`, a full disk) come back as they are.
 *
 * @param at the path in the template that was at work, when the error itself does not say where it comes from.
 */
export async function explainError(
  error: unknown,
  context: SourceContext,
  at?: InputIssue["path"],
): Promise<KvciError> {
  const problems = await problemsOf(error, context, at);
  if (problems.length > 0) return locatedError(problems, context, error);
  if (error instanceof KvciError) return error;
  const problem = {
    message: describeThrown(error),
    place: undefined,
    hint: `Evaluating the ${context.kind} threw this.`,
  };
  return locatedError([problem], context, error);
}

/** The error for mistakes whose places are known. */
export function locatedError(mistakes: readonly Problem[], context: SourceContext, cause?: unknown): KvciError {
  const { cwd, file } = context;
  const problems = mistakes.toSorted(byPlace);
  const lines = problems.map(
    ({ place, message }) => `${place ? showPlace(place, cwd) : showFile(file, cwd)}: ${message}`,
  );
  const evidence = problems.flatMap(({ place }, index) => [
    ...(problems.length > 1 ? [lines[index] ?? ""] : []),
    ...(place ? excerpt(place) : []),
  ]);
  const more = lines.length > 1 ? ` (and ${String(lines.length - 1)} more)` : "";
  const hint = [...new Set(problems.map((problem) => problem.hint))].join(" ");
  return new KvciError(codeOf(cause, context), `${lines[0] ?? ""}${more}`, { hint, evidence, cause });
}

/** As the source is read; what has no place comes last. */
function byPlace({ place: a }: Problem, { place: b }: Problem): number {
  if (!a || !b) return Number(!a) - Number(!b);
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}

/** Where a file that a template copies is named in it. */
export async function placeOfText(text: string, context: SourceContext): Promise<Place | undefined> {
  return locateText(await treesOf(context), text);
}

/** Where a path of the template is written, by its `defineTemplate` (or `defineEnvironment`) call. */
export async function placeOfPath(
  issue: Omit<InputIssue, "message">,
  context: SourceContext,
): Promise<Place | undefined> {
  const trees = await treesOf(context);
  const definition = callOf(trees, definer(context));
  if (definition) return locateIssue(definition.tree, definition.call, issue).place;
  return trees[0] && locateInExport(trees[0], issue);
}

/** A module without a default export, or with one that is no object. */
export async function wrongExportError(value: unknown, context: SourceContext): Promise<KvciError> {
  const name = definer(context);
  const trees = await treesOf(context);
  const exported = trees[0] && locateInExport(trees[0], { path: [] });
  const place = exported ?? callOf(trees, name)?.place;
  const message = exported ? `the default export is a ${typeof value}` : "there is no default export";
  const hint =
    typeof value === "function"
      ? `A family is a function: call it with its arguments, for example export default ${value.name || "k8s"}("1.31").`
      : `A file in ${context.kind}s/ says export default ${name}({ … }).`;
  return locatedError([{ message, place, hint }], context);
}

function definer({ kind }: SourceContext): string {
  return kind === "template" ? "defineTemplate" : "defineEnvironment";
}

/** A template that waits for something that never comes. */
export async function unfinishedError(deadlineMs: number, context: SourceContext): Promise<KvciError> {
  const place = locateType(await treesOf(context), "AwaitExpression");
  const message = `the ${context.kind} was still being evaluated after ${String(deadlineMs / 1000)} s`;
  return locatedError(
    [{ message, place, hint: "It is data: it must not wait for anything, so remove the await." }],
    context,
  );
}

async function problemsOf(error: unknown, context: SourceContext, at?: InputIssue["path"]): Promise<Problem[]> {
  if (error instanceof InputError) {
    return Promise.all(error.issues.map((issue) => issueProblem(issue, error, { context, at })));
  }
  const failed = failedImport(error);
  if (failed) return [await importProblem(failed, error)];
  if (error instanceof SyntaxError) return [await syntaxProblem(error, context)];
  const [frame] = framesOf(error, sourcesOf(context));
  const place = frame ? placeAt(frame, 1) : at && (await placeOfPath({ path: at }, context));
  if (!place) return [];
  const hint = error instanceof KvciError ? error.hint : `Evaluating the ${context.kind} threw this.`;
  return [{ message: describeThrown(error), place, hint }];
}

async function syntaxProblem(error: SyntaxError, context: SourceContext): Promise<Problem> {
  const said = syntaxFrame(error);
  const found = said ?? (await syntaxErrorIn(sourcesOf(context)));
  const place = found && placeAt(found, said?.length ?? 1);
  return { message: error.message, place, hint: syntaxHint(error, context) };
}

async function issueProblem(
  issue: InputIssue,
  error: InputError,
  { context, at }: { readonly context: SourceContext; readonly at: InputIssue["path"] | undefined },
): Promise<Problem> {
  const message = issue.at === "key" ? issue.message : describeIssue(issue);
  const place =
    (await placeByStack(issue, error, context)) ??
    (await placeOfPath(at && !startsWith(issue.path, at) ? { path: at } : issue, context));
  return { message, place, hint: error.hint };
}

/** The innermost call whose arguments are written out; else the innermost call. */
async function placeByStack(issue: InputIssue, error: InputError, context: SourceContext): Promise<Place | undefined> {
  const found: Found[] = [];
  for (const frame of framesOf(error, sourcesOf(context))) {
    const tree = await parseSource(frame.url);
    const call = tree && callAt(tree, frame.line, frame.column);
    found.push(tree && call ? locateIssue(tree, call, issue) : { place: placeAt(frame, 1), reach: "none" });
  }
  return (found.find(({ reach }) => reach !== "none") ?? found[0])?.place;
}

function placeAt({ url, line, column }: Frame, length: number): Place {
  return { file: fileURLToPath(url), line, column, length };
}

function sourcesOf({ file }: SourceContext): readonly string[] {
  return sourcesReachedFrom(pathToFileURL(file).href);
}

async function treesOf(context: SourceContext): Promise<SyntaxTree[]> {
  const trees = await Promise.all(sourcesOf(context).map(parseSource));
  return trees.filter((tree) => tree !== undefined);
}

function syntaxHint(error: unknown, { kind }: SourceContext): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX") {
    return "Types are removed, not compiled: write a union of strings for an enum, functions for a namespace.";
  }
  const exported = /does not provide an export named '(.+)'/.exec(messageOf(error))?.[1];
  return exported === undefined
    ? `The ${kind} does not parse; an editor shows the same place.`
    : missingExportHint(exported);
}

function describeThrown(error: unknown): string {
  if (error instanceof KvciError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : `${inspect(error)} was thrown`;
}

function codeOf(cause: unknown, { kind }: SourceContext): ErrorCode {
  if (cause instanceof KvciError) return cause.code;
  return kind === "template" ? "template-invalid" : "environment-invalid";
}

function startsWith(path: InputIssue["path"], start: InputIssue["path"]): boolean {
  return start.every((part, index) => path[index] === part);
}
