import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import type { AwsState } from "./aws-state.ts";
import type { AwsEvent, Call, World } from "./world.ts";

/** What of a counterpart outlives it. Blocks are in files of their own. */
export interface Kept {
  readonly state: AwsState;
  readonly calls: Call[];
  readonly events: AwsEvent[];
  readonly sequence: number;
}

const FILE = "state.v8";

export async function saveState(folder: string, { state, calls, events, nextSequence }: World): Promise<void> {
  const kept: Kept = { state, calls, events, sequence: nextSequence() };
  await mkdir(folder, { recursive: true });
  const part = join(folder, `${FILE}.part`);
  await writeFile(part, serialize(kept));
  await rename(part, join(folder, FILE));
}

export async function loadState(folder: string): Promise<Kept | undefined> {
  try {
    return deserialize(await readFile(join(folder, FILE))) as Kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
