import { z } from "zod";
import { checkInput, InputError, recordOf } from "../core/input.ts";
import type { CopyIn, WriteFile } from "../core/op.ts";
import { copyIn, writeFile } from "../core/op-makers.ts";

const HINT = "See docs/steps.md for what each step takes.";

/** Checks a step's argument when the step is made, so that the error's stack names the call in the template. */
export function checkStep<S extends z.ZodType>(what: string, schema: S, value: unknown): z.output<S> {
  return checkInput(schema, value, { code: "template-invalid", what, hint: HINT });
}

/** What a step says when the platform it is asked for cannot have it. */
export function unfitStep(what: string, message: string, hint: string = HINT): InputError {
  return new InputError("template-invalid", what, [{ path: [], message }], hint);
}

/** A step name from a word and what the step is about: `install-containerd-runc`. */
export function stepName(verb: string, subjects: readonly string[]): string {
  const shown = subjects.slice(0, 4);
  const rest = subjects.length - shown.length;
  const words = [verb, ...shown, ...(rest > 0 ? [`and-${String(rest)}-more`] : [])];
  return words
    .join("-")
    .toLowerCase()
    .replace(/[^a-z0-9.+]+/g, "-")
    .replace(/-+$/, "");
}

/** Names a file of ours: `kubernetes` becomes `/etc/sysctl.d/90-kubernetes.conf`. */
export const fileName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'use lower-case letters, digits and dashes, for example "kubernetes"');

/** A systemd unit with its suffix. */
export const unitName = z
  .string()
  .regex(
    /^[A-Za-z0-9:_.@\\-]+\.(?:service|socket|timer|target|path|mount|swap)$/,
    'write the whole unit name, for example "containerd.service"',
  );

const hostFile = recordOf({
  /** A host file, relative to the template's folder. */
  file: z.string().min(1),
});

/** Text given in the template, or a host file to copy. */
export const textOrFile = z.union([z.string().min(1), hostFile], {
  error: 'give the text itself, or { file: "path" }',
});
type TextOrFile = z.output<typeof textOrFile>;

export function placeFile(path: string, content: TextOrFile, mode: number): WriteFile | CopyIn {
  return typeof content === "string" ? writeFile(path, content, { mode }) : copyIn(content.file, path, { mode });
}
