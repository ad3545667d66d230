import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { FileState, StoreFiles } from "./files.ts";
import { jsonOf } from "../core/parse-json.ts";

/** Where checks are remembered, relative to the store's root: beside the layers, which are never written again. */
export const CHECKED = "checked";

/** For how long a check counts. Longer, and a disk that rots under an untouched file would go unseen for too long. */
const VALID_MS = 24 * 60 * 60 * 1_000;

const check = z.object({ identity: z.string(), bootId: z.string().min(1), checkedAtMs: z.number() });

/** What remembering needs of the world. */
export interface CheckPorts {
  readonly files: StoreFiles;
  readonly root: string;
  readonly now: () => number;
  /** Changes when the host starts again: what was in memory and not on the disk is lost then. Undefined: remember nothing. */
  readonly bootId: () => Promise<string | undefined>;
}

/** Path of the remembered check of a layer, relative to the store's root. */
export function checkFile(layerId: string): string {
  return `${CHECKED}/${layerId}.json`;
}

/** Whether this very file was found intact within a day, in this boot of the host. */
export async function isRemembered(
  { files, root, now, bootId }: CheckPorts,
  layerId: string,
  state: FileState,
): Promise<boolean> {
  const text = await files.read(join(root, checkFile(layerId)));
  if (text === undefined) return false;
  const { data } = check.safeParse(jsonOf(text));
  if (data?.identity !== state.identity || data.bootId !== (await bootId())) return false;
  const ageMs = now() - data.checkedAtMs;
  return ageMs >= 0 && ageMs <= VALID_MS;
}

/** Notes that the file is intact. A note that cannot be written costs time the next time, no more. */
export async function remember(
  { files, root, now, bootId }: CheckPorts,
  layerId: string,
  state: FileState,
): Promise<void> {
  const boot = await bootId();
  if (boot === undefined) return;
  const text = JSON.stringify({ identity: state.identity, bootId: boot, checkedAtMs: now() });
  try {
    await files.makeFolder(join(root, CHECKED));
    await files.write(join(root, checkFile(layerId)), text);
  } catch {
    // A full or read-only store: the layer is intact all the same.
  }
}

/** The kernel's name for this boot of the host, read once. */
export function hostBootId(): () => Promise<string | undefined> {
  let known: Promise<string | undefined> | undefined;
  return () =>
    (known ??= readFile("/proc/sys/kernel/random/boot_id", "utf8").then(
      (text) => text.trim(),
      () => undefined,
    ));
}
