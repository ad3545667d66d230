import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { writing } from "../core/file-system-error.ts";
import { exists } from "../host/exists.ts";

/** The places of one template's and architecture's output. */
export interface OutputFolder {
  /** The finished build: complete, or that of an earlier run. */
  readonly final: string;
  /** Where this run's build grows; it takes the place of `final` at the end. */
  readonly growing: string;
  /** Serial log and journal while the build runs, and after it failed. */
  readonly logs: string;
}

/** Where the finished build of a template is, or would be. */
export function outputFolder(out: string, template: string, arch: string): string {
  return join(out, template, arch);
}

/**
 * Prepares `out/<template>/<arch>`. What a killed run left half-written is removed, and an exchange that it left in the middle
 * is taken back. The caller holds the lock of this output.
 */
export async function openOutput(out: string, template: string, arch: string): Promise<OutputFolder> {
  const parent = join(out, template);
  const folder = {
    final: join(parent, arch),
    growing: join(parent, `.${arch}.new`),
    logs: join(parent, `${arch}.logs`),
  };
  return writing(parent, async () => {
    if (!(await exists(folder.final)) && (await exists(replaced(folder)))) await rename(replaced(folder), folder.final);
    for (const leftover of [folder.growing, replaced(folder), folder.logs]) {
      await rm(leftover, { recursive: true, force: true });
    }
    await mkdir(folder.growing, { recursive: true });
    await mkdir(folder.logs, { recursive: true });
    return folder;
  });
}

/** Puts the grown build in the place of the old one; logs move in with it. */
export async function finishOutput(folder: OutputFolder): Promise<void> {
  await writing(folder.final, async () => {
    for (const name of await readdir(folder.logs)) await rename(join(folder.logs, name), join(folder.growing, name));
    await rm(folder.logs, { recursive: true });
    if (await exists(folder.final)) await rename(folder.final, replaced(folder));
    await rename(folder.growing, folder.final);
    await rm(replaced(folder), { recursive: true, force: true });
  });
}

/** Removes what a failed build had grown; its logs stay. */
export async function dropOutput(folder: OutputFolder): Promise<void> {
  await rm(folder.growing, { recursive: true, force: true });
}

function replaced(folder: OutputFolder): string {
  return `${folder.growing.slice(0, -".new".length)}.old`;
}
