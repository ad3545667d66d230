import { realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { RootBase } from "../../core/base.ts";
import { KvciError } from "../../core/error.ts";
import { InputError, type InputIssue } from "../../core/input.ts";
import type { SourceFile } from "../../core/plan.ts";
import { defineTemplate, type Template } from "../../core/template.ts";
import { showFile } from "./excerpt.ts";
import { explained, loadDefault } from "./load-module.ts";
import { findTemplate } from "./lookup.ts";
import { TEMPLATES_DIR } from "./own-files.ts";
import type { SourceContext } from "./problem.ts";
import { readSources } from "./sources.ts";

/** A template with everything it needs from the disk read: what is left is data. */
export interface LoadedTemplate {
  readonly template: Template;
  /** Absolute path of its file. */
  readonly file: string;
  /** The folder that its paths are relative to. */
  readonly dir: string;
  /** By the `source` of a copy-in op or the `path` of a local disk. */
  readonly sources: ReadonlyMap<string, SourceFile>;
  /** The template it is based on, with a base of kind "template". */
  readonly parent: LoadedTemplate | undefined;
}

export interface LoadOptions {
  /** Absolute; error messages show paths below it relative to it. */
  readonly cwd: string;
  /** Where base templates are looked up after the template's own folder. Default: those that come with kvci-build. */
  readonly templatesDir?: string;
  /** Milliseconds that evaluating one template may take. Default: 10 s. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Evaluates a template file, checks it, reads the files it copies in, and loads the templates it is based on.
 *
 * @param file absolute path, as `findTemplate` gives it.
 * @throws {KvciError} `template-invalid` with file, line and column of every mistake and the source there;
 *   `template-not-found` for a base; `interrupted`.
 */
export function loadTemplate(file: string, options: LoadOptions): Promise<LoadedTemplate> {
  return load(file, options, []);
}

/**
 * An error that planning a loaded template threw, with file, line and column. Those that are not about what the template
 * says come back as they are.
 */
export async function explainPlanError(error: unknown, { file }: LoadedTemplate, cwd: string): Promise<unknown> {
  return error instanceof InputError ? await explained(error, { kind: "template", file, cwd }) : error;
}

/** The chain from a template to the one that has a base of its own: the template itself first. */
export function chainOf(loaded: LoadedTemplate): readonly LoadedTemplate[] {
  return loaded.parent ? [loaded, ...chainOf(loaded.parent)] : [loaded];
}

async function load(path: string, options: LoadOptions, children: readonly string[]): Promise<LoadedTemplate> {
  // One file, one identity: a cycle through a symbolic link is one as well.
  const file = await realpath(path);
  const context: SourceContext = { kind: "template", file, cwd: options.cwd };
  const template = await loadDefault(context, (value) => defineTemplate(value as Template), options.deadlineMs);
  const dir = dirname(file);
  const parent = await loadParent(template, context, { options, files: [...children, file] });
  const root = rootOf(template, parent);
  const sources = await readSources({ template, root, dir, signal: options.signal }, context);
  return { template, file, dir, sources, parent };
}

interface Chain {
  readonly options: LoadOptions;
  /** From the template that was asked for to the one at hand. */
  readonly files: readonly string[];
}

async function loadParent(
  template: Template,
  context: SourceContext,
  { options, files }: Chain,
): Promise<LoadedTemplate | undefined> {
  if (template.base.kind !== "template") return undefined;
  const { name } = template.base;
  const found = await findBase(name, context, options);
  const start = files.indexOf(found);
  if (start !== -1) {
    const circle = [...files.slice(start), found].map((file) => showFile(file, options.cwd)).join(" -> ");
    throw await wrong(template, context, [{ path: ["base"], message: `templates are based on each other: ${circle}` }]);
  }
  const parent = await load(found, options, files);
  const issues = mismatches(template, parent.template);
  if (issues.length > 0) throw await wrong(template, context, issues);
  return parent;
}

/** A base's name is looked up beside the template that names it, then as on the command line. */
async function findBase(name: string, context: SourceContext, options: LoadOptions): Promise<string> {
  const templatesDir = options.templatesDir ?? TEMPLATES_DIR;
  try {
    return await realpath(await findTemplate(name, { cwd: dirname(context.file), templatesDir }));
  } catch (error) {
    throw await explained(error, context, ["base"]);
  }
}

function mismatches(template: Template, parent: Template): InputIssue[] {
  const issues: InputIssue[] = template.arches.flatMap((arch, index) =>
    parent.arches.includes(arch)
      ? []
      : [{ path: ["arches", index], message: `"${parent.name}" is not made for ${arch}` }],
  );
  const { sizeGiB } = parent.disk;
  if (template.disk.sizeGiB >= sizeGiB) return issues;
  const message = `smaller than the disk of "${parent.name}", which has ${String(sizeGiB)} GiB`;
  return [...issues, { path: ["disk", "sizeGiB"], message }];
}

function wrong(template: Template, context: SourceContext, issues: readonly InputIssue[]): Promise<KvciError> {
  const hint = "A template based on another adds to it: see the bases in docs/templates.md.";
  return explained(new InputError("template-invalid", `template "${template.name}"`, issues, hint), context);
}

function rootOf(template: Template, parent: LoadedTemplate | undefined): RootBase {
  if (template.base.kind !== "template") return template.base;
  if (parent) return rootOf(parent.template, parent.parent);
  throw new KvciError("internal", `the base of "${template.name}" was not loaded`, { hint: "Report this." });
}
