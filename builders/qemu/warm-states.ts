import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { digestOfValue, type Digest } from "../../src/core/digest.ts";
import { KvciError } from "../../src/core/error.ts";
import { exists } from "../../src/host/exists.ts";
import { digestOfFile } from "../../src/host/file-digest.ts";
import { ENTRY_NOTE, formatEntryNote } from "../../src/store/entry-note.ts";
import type { Store } from "../../src/store/store.ts";
import type { Keys } from "./identity.ts";
import { digestSchema } from "../../src/core/record-schemas.ts";

/** Kind of the store's entries. */
export const WARM_KIND = "warm";
const STATE_FILE = "state.json";
const MEMORY_FILE = "memory.zst";
const FIRMWARE_FILE = "firmware-vars.fd";
const OVERLAY_FILE = "overlay.qcow2";
/** Counts up when a restored guest would not be what this kvci-build expects of one. */
const FORMAT_VERSION = 1;

const keyPair = z.object({ privateKey: z.string(), publicKey: z.string() });
const stateSchema = z.object({
  schema: z.literal("kvci-build/warm-state"),
  version: z.literal(1),
  layer: z.string(),
  fingerprint: z.string(),
  /** sha256 of the memory file: a flipped bit in a guest's memory would not be noticed otherwise. */
  digest: digestSchema,
  overlayDigest: digestSchema.optional(),
  bytes: z.int(),
  keys: z.object({ clientKey: keyPair, hostKey: keyPair }),
});

/** A machine's memory at the very point where a layer was closed. */
export interface WarmState {
  readonly memory: string;
  readonly firmwareVars: string | undefined;
  /** What the machine had written since the layer was closed; absent when it was saved at that very moment. */
  readonly overlay: string | undefined;
  readonly keys: Keys;
  readonly bytes: number;
  /** Folder of the store's entry. */
  readonly folder: string;
}

/** What says which memory fits: the layer it stands on, and the machine it ran in. */
export interface WarmKey {
  readonly layer: string;
  readonly fingerprint: Digest;
}

/** Where a state is: one per layer and kind of machine. */
export function warmEntry(store: Store, key: WarmKey): string {
  return store.entryPath(WARM_KIND, nameOf(key));
}

/**
 * The warm state for a layer, read in full and compared with its digest. A damaged one is moved aside.
 *
 * @returns the state, or why there is none: `absent`, or the damage in words.
 */
export async function findWarmState(
  store: Store,
  key: WarmKey,
  signal: AbortSignal,
): Promise<WarmState | { readonly none: string }> {
  const folder = warmEntry(store, key);
  if (!(await store.hasEntry(WARM_KIND, nameOf(key)))) return { none: "absent" };
  try {
    const state = stateSchema.parse(JSON.parse(await readFile(join(folder, STATE_FILE), "utf8")));
    const memory = await checked(memoryPath(folder), state.digest, signal);
    const overlay = await checked(overlayPath(folder), state.overlayDigest, signal);
    const vars = join(folder, FIRMWARE_FILE);
    const firmwareVars = (await exists(vars)) ? vars : undefined;
    if (memory !== undefined) return { memory, folder, keys: state.keys, bytes: state.bytes, overlay, firmwareVars };
    return await damaged(folder, store, "it has no memory");
  } catch (error) {
    if (signal.aborted) throw error;
    return damaged(folder, store, error instanceof KvciError ? error.message : "its files cannot be read");
  }
}

/** The file, found to have its digest; undefined for a state without such a file. */
async function checked(path: string, digest: Digest | undefined, signal: AbortSignal): Promise<string | undefined> {
  if (digest === undefined) return undefined;
  if ((await digestOfFile(path, "sha256", signal)) === digest) return path;
  throw new KvciError("digest-mismatch", `its ${basename(path)} has another digest`, {
    hint: "The layer is booted instead.",
  });
}

/** Removes a state that did not do what a state is for. */
export async function dropWarmState(state: Pick<WarmState, "folder">, store: Store): Promise<void> {
  await damaged(state.folder, store, "");
}

async function damaged(folder: string, store: Store, none: string): Promise<{ readonly none: string }> {
  const grave = await store.temporaryFolder("warm-damaged");
  // Under its name it is gone at once and as a whole; a state is never worth keeping for a look.
  await rename(folder, join(grave.path, "state")).catch(() => undefined);
  await grave[Symbol.asyncDispose]();
  return { none };
}

/** Where memory is to be saved within a state's growing folder. */
export function memoryPath(folder: string): string {
  return join(folder, MEMORY_FILE);
}

/** Where the overlay goes that the machine had written to when its memory was saved, if that is not empty. */
export function overlayPath(folder: string): string {
  return join(folder, OVERLAY_FILE);
}

/**
 * Makes what was saved into `folder` a warm state. Keys are in it: everything is readable by its owner alone.
 *
 * @param facts.what for people: "step containerd of quickstart"
 */
export async function keepWarmState(
  store: Store,
  key: WarmKey,
  facts: {
    readonly folder: string;
    readonly keys: Keys;
    readonly firmwareVars: string | undefined;
    readonly what: string;
    readonly bytes: number;
    readonly createdAt: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { folder, keys, bytes, signal } = facts;
  const digest = await digestOfFile(memoryPath(folder), "sha256", signal);
  const hasOverlay = await exists(overlayPath(folder));
  const overlayDigest = hasOverlay ? await digestOfFile(overlayPath(folder), "sha256", signal) : undefined;
  const state = { schema: "kvci-build/warm-state", version: 1, ...key, digest, overlayDigest, bytes, keys };
  await writeFile(join(folder, STATE_FILE), JSON.stringify(state), { mode: 0o600 });
  const note = {
    what: `memory after ${facts.what}`,
    createdAt: facts.createdAt,
    needs: [`entries/layers/${key.layer}`],
  };
  await writeFile(join(folder, ENTRY_NOTE), formatEntryNote(note));
  if (facts.firmwareVars !== undefined) await copyFile(facts.firmwareVars, join(folder, FIRMWARE_FILE));
  // When two builds made the same the first stays, and the other's folder goes with its run.
  await store.adoptEntry(folder, WARM_KIND, nameOf(key));
}

function nameOf({ layer, fingerprint }: WarmKey): string {
  return digestOfValue({ formatVersion: FORMAT_VERSION, layer, fingerprint }).replace("sha256:", "");
}
