import { join } from "node:path";
import { z } from "zod";
import type { StoreFiles } from "./files.ts";

/** Name of the note beside what an entry holds. */
export const ENTRY_NOTE = "entry.json";

const entryNote = z.object({
  what: z.string(),
  createdAt: z.iso.datetime(),
  needs: z.array(z.string()),
});

/** What the store's listing and the removal know of an entry that is no layer. */
export interface EntryNote {
  /** Words for people, for example `memory after the first boot of quickstart`. */
  readonly what: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** Paths relative to the store's root of what it is of no use without: `entries/layers/<id>`, `blobs/sha256/<digits>`. */
  readonly needs: readonly string[];
}

/** The note as it is written, before the entry's folder is adopted. */
export function formatEntryNote({ what, createdAt, needs }: EntryNote): string {
  return `${JSON.stringify({ what, createdAt, needs }, null, 2)}\n`;
}

/** Undefined when the entry has no note, or none that can be read. */
export async function readEntryNote(files: StoreFiles, folder: string): Promise<EntryNote | undefined> {
  const text = await files.read(join(folder, ENTRY_NOTE));
  if (text === undefined) return undefined;
  try {
    return entryNote.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
