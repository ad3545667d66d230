import { z } from "zod";
import { recordOf } from "../core/input.ts";
import type { CopyIn, ImageOp, WriteFile } from "../core/op.ts";
import { copyIn, writeFile } from "../core/op-makers.ts";
import type { Step } from "../core/step.ts";
import { checkStep, fileName } from "./step-input.ts";

const placement = {
  /** Permission bits; 0o644 unless told. A copied tree keeps those of its files. */
  mode: z.int().min(0).max(0o7777).default(0o644),
  /** `user:group`; root:root unless told. */
  owner: z.string().default("root:root"),
};
const fileSchema = z.union(
  [
    z.string(),
    recordOf({ content: z.string(), ...placement }),
    recordOf({
      /** A host file or folder, relative to the template's folder. */
      source: z.string().min(1),
      ...placement,
    }),
  ],
  {
    error:
      "give the text itself, { content: … } or { source: … }, with mode and owner if they differ from 0644 root:root",
  },
);
const filesSchema = z
  .record(z.string(), fileSchema)
  .refine((files) => Object.keys(files).length > 0, "name at least one file");

/** By path in the guest: the text, `{ content }`, or `{ source }` for a file or folder of the host. */
export type FilesInput = Readonly<Record<string, z.input<typeof fileSchema>>>;

/**
 * Puts files into the guest, in the order they are written here.
 *
 * @param name names the step: `files-<name>`.
 * @throws {InputError} `template-invalid`
 */
export function files(name: string, input: FilesInput): Step<ImageOp> {
  const subject = checkStep("files", fileName, name);
  const ops = Object.entries(checkStep(`files "${name}"`, filesSchema, input)).map(([path, file]) =>
    fileOp(path, file),
  );
  return { name: `files-${subject}`, ops: () => ops };
}

function fileOp(path: string, file: z.output<typeof fileSchema>): WriteFile | CopyIn {
  if (typeof file === "string") return writeFile(path, file);
  return "source" in file ? copyIn(file.source, path, file) : writeFile(path, file.content, file);
}
