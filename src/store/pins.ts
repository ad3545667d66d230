import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { withDisposal } from "../core/disposal.ts";
import { KvciError } from "../core/error.ts";
import { errnoOf, writing } from "../core/file-system-error.ts";
import { isAlive } from "../host/process-table.ts";
import { writeFileAtomic } from "./atomic.ts";
import { ENTRY_NOTE } from "./entry-note.ts";
import { hostFiles } from "./files.ts";
import { LAYER_RECORD } from "./layer-record.ts";
import type { Store } from "./store.ts";
import { jsonOf } from "../core/parse-json.ts";

/** The lock that pinning and removing share, so that nothing is pinned while it is being removed. */
export const COLLECT_LOCK = "collect";

/** What living runs use. */
export interface Pins {
  /** Whether that item, a path relative to the store's root, may not be removed. */
  holds(path: string): boolean;
  /** How many runs of other processes are alive. */
  readonly otherRuns: number;
}

const runRecord = z.object({ pid: z.int(), startTicks: z.int() });
const pinFile = z.array(z.string());

/**
 * Says what a run uses, until its temporary folder is gone: nothing of it, nor what it needs, is removed meanwhile. Pin
 * first and look afterwards: what is there then stays.
 *
 * @param pinned.items paths relative to the store's root, such as `blobs/sha256/<digits>`; they need not be there yet. One
 * that ends in `.*` stands for every name that begins like it: `entries/layers/<digits of the key>.*`.
 * @throws {KvciError} `store-full`, `store-unusable`
 */
export async function pin(
  store: Pick<Store, "root" | "lock">,
  pinned: { readonly runId: string; readonly items: readonly string[]; readonly signal: AbortSignal },
): Promise<void> {
  const folder = join(store.root, "tmp", pinned.runId);
  const path = join(folder, `pins-${randomBytes(6).toString("hex")}.json`);
  await withDisposal(await store.lock(COLLECT_LOCK, { signal: pinned.signal }), () =>
    writing(store.root, async () => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFileAtomic(path, JSON.stringify(pinned.items));
    }),
  );
  await markUsed(store.root, pinned.items, Date.now());
}

/**
 * What living runs have pinned.
 *
 * @throws {KvciError} `store-unusable` when a living run's pins cannot be read: then nothing may be removed.
 */
export async function pinned(root: string): Promise<Pins> {
  const exact = new Set<string>();
  let otherRuns = 0;
  for (const { runId, pid } of await livingRuns(root)) {
    if (pid !== process.pid) otherRuns += 1;
    for (const item of await pinsOf(root, runId)) exact.add(item);
  }
  return {
    otherRuns,
    holds: (path) => exact.has(path) || exact.has(`${path.slice(0, path.lastIndexOf(".") + 1)}*`),
  };
}

/** Notes the use of what is there of `items` in the time of its record, folder or file. Costs nothing when it fails. */
export async function markUsed(root: string, items: readonly string[], atMs: number): Promise<void> {
  for (const item of items) {
    const path = join(root, item);
    for (const each of [join(path, LAYER_RECORD), join(path, ENTRY_NOTE), path]) {
      if (
        await hostFiles.touch(each, atMs).then(
          () => true,
          () => false,
        )
      ) {
        break;
      }
    }
  }
}

async function livingRuns(root: string): Promise<{ readonly runId: string; readonly pid: number }[]> {
  const living: { readonly runId: string; readonly pid: number }[] = [];
  for (const name of await hostFiles.names(join(root, "runs"))) {
    const text = await readFile(join(root, "runs", name), "utf8").catch(() => "");
    const { data } = runRecord.safeParse(jsonOf(text));
    if (data && (await isAlive(data))) living.push({ runId: name.replace(/\.json$/, ""), pid: data.pid });
  }
  return living;
}

async function pinsOf(root: string, runId: string): Promise<readonly string[]> {
  const folder = join(root, "tmp", runId);
  const names = await readdir(folder).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return [];
    throw unreadable(folder, error);
  });
  const items: string[] = [];
  for (const name of names.filter((each) => /^pins-[0-9a-f]+\.json$/.test(each))) {
    const text = await readFile(join(folder, name), "utf8").catch((error: unknown) => {
      // The run has ended in between, and needs nothing any more.
      if (errnoOf(error) === "ENOENT") return "[]";
      throw unreadable(join(folder, name), error);
    });
    const { data, error } = pinFile.safeParse(jsonOf(text));
    if (!data) throw unreadable(join(folder, name), error);
    items.push(...data);
  }
  return items;
}

function unreadable(path: string, cause: unknown): KvciError {
  return new KvciError("store-unusable", `cannot read what a running kvci-build uses: ${path}`, {
    hint: "Nothing was removed. Try again when that build has ended.",
    cause,
  });
}
