import { readdir, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { platformOf, type RootBase } from "../../core/base.ts";
import { KvciError, messageOf } from "../../core/error.ts";
import { InputError, type InputIssue } from "../../core/input.ts";
import { didYouMean } from "../../core/near-name.ts";
import type { Op } from "../../core/op.ts";
import { checkOps } from "../../core/op-makers.ts";
import type { SourceFile } from "../../core/plan.ts";
import type { Arch } from "../../core/platform.ts";
import type { Step } from "../../core/step.ts";
import type { Template } from "../../core/template.ts";
import { explained, problemError } from "./load-module.ts";
import type { Problem, SourceContext } from "./problem.ts";
import { readSource } from "./source-digest.ts";

interface Request {
  readonly template: Template;
  /** What the chain of templates ends on: it decides about the platform. */
  readonly root: RootBase;
  /** Sources are relative to it. */
  readonly dir: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Reads every file and tree that a template's steps copy in on any of its architectures, and its local disk.
 *
 * @returns by the name that the template uses.
 * @throws {KvciError} `template-invalid` with the place of each name that has no file; `interrupted`.
 */
export async function readSources(request: Request, context: SourceContext): Promise<Map<string, SourceFile>> {
  const sources = new Map<string, SourceFile>();
  const problems: Problem[] = [];
  for (const name of await namesOf(request, context)) {
    try {
      sources.set(name, await readNamed(name, request));
    } catch (error) {
      if (error instanceof KvciError && error.code !== "template-invalid") throw error;
      problems.push(await sourceProblem(name, error, { ...request, context }));
    }
  }
  if (problems.length > 0) throw await problemError(problems, context);
  return sources;
}

async function namesOf({ template, root }: Request, context: SourceContext): Promise<Set<string>> {
  const names = new Set<string>();
  if (template.base.kind === "local-disk") names.add(template.base.path);
  for (const arch of template.arches) {
    for (const [index, step] of template.steps.entries()) {
      for (const op of await opsOf(step, { root, arch, index, context })) {
        if (op.kind === "copy-in") names.add(op.source);
      }
    }
  }
  return names;
}

interface StepAt {
  readonly root: RootBase;
  readonly arch: Arch;
  readonly index: number;
  readonly context: SourceContext;
}

async function opsOf(step: Step, { root, arch, index, context }: StepAt): Promise<readonly Op[]> {
  const path = ["steps", index];
  try {
    const ops: unknown = step.ops(platformOf(root, arch));
    return checkedOps(step.name, ops, [...path, "ops"]);
  } catch (error) {
    throw await explained(error, context, path);
  }
}

/** Ops are checked where they are made, by `run` and its like; those written by hand only here. */
function checkedOps(step: string, ops: unknown, path: InputIssue["path"]): readonly Op[] {
  try {
    return checkOps(step, ops);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const issues = error.issues.map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
    throw new InputError(error.code, `step "${step}"`, issues, error.hint);
  }
}

async function readNamed(name: string, { template, dir, signal }: Request): Promise<SourceFile> {
  const file = await readSource(resolve(dir, name), signal);
  if (template.base.kind !== "local-disk" || template.base.path !== name) return file;
  if (file.bytes > 0 && (await stat(file.absolutePath)).isFile()) return file;
  throw new KvciError("template-invalid", `"${name}" is not a disk image`, { hint: "It is a folder, or empty." });
}

async function sourceProblem(
  name: string,
  error: unknown,
  { dir, context }: Request & { readonly context: SourceContext },
): Promise<Problem> {
  const { placeOfPath, placeOfText } = await import("./template-error.ts");
  const place = (await placeOfText(name, context)) ?? (await placeOfPath({ path: ["steps"] }, context));
  if (error instanceof KvciError) return { message: error.message, place, hint: error.hint };
  const missing = error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
  if (!missing) return { message: messageOf(error), place, hint: "Make it readable, or leave it out." };
  const path = resolve(dir, name);
  const beside = await readdir(dirname(path)).catch(() => []);
  const message = `no file or folder "${name}"${didYouMean(basename(path), beside)}`;
  return { message, place, hint: `Paths are relative to the template's folder, ${dir}.` };
}
