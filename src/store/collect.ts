import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { withDisposal } from "../core/disposal.ts";
import { errnoOf, writing } from "../core/file-system-error.ts";
import { hostFiles, type StoreFiles } from "./files.ts";
import { inventory, type Item, type ItemKind } from "./inventory.ts";
import { COLLECT_LOCK, pinned, type Pins } from "./pins.ts";
import { LAYERS } from "./layer-record.ts";
import { CHECKED, checkFile } from "./remembered-checks.ts";
import { removalOrder } from "./removal-order.ts";
import type { Store } from "./store.ts";

/** How much may stay. */
export interface Budget {
  /** What all items, or those of `kinds`, may take on the disk together. */
  readonly maxBytes: number;
  /** Only items of these kinds are counted and removed. Default: all. */
  readonly kinds?: readonly ItemKind[] | undefined;
}

/** What was removed, or would be. */
export interface Collected {
  /** In the order of removal: what needs another item before it. */
  readonly removed: readonly Item[];
  readonly freedBytes: number;
  /** What stays takes, of the kinds that were counted. */
  readonly keptBytes: number;
  /** How many of the items that stay are in use by running builds, or needed by one that is. */
  readonly inUse: number;
}

/** What removing works on. */
export interface CollectPorts {
  readonly root: string;
  readonly files: StoreFiles;
  /** Hexadecimal digits for the names of what is going. */
  readonly random: () => string;
}

/** What is on its way out, below `tmp/`: it has lost its name, so a crash leaves it for the next removal. */
const REMOVED = "removed-";

/**
 * Removes what was used longest ago until the rest is within the budget. Whatever a running build uses stays, and what
 * anything that stays needs; set-aside and other useless items go first. Waits while a build pins what it uses.
 *
 * @throws {KvciError} `store-unusable`, `interrupted`
 */
export async function collect(
  store: Pick<Store, "root" | "lock">,
  budget: Budget & {
    readonly dryRun?: boolean | undefined;
    readonly signal: AbortSignal;
    readonly onWait?: ((holder: string) => void) | undefined;
  },
): Promise<Collected> {
  const { root } = store;
  const choose = async (): Promise<Collected> => choice(await inventory(root), await pinned(root), budget);
  if (budget.dryRun) return choose();
  const ports = { root, files: hostFiles, random: () => randomBytes(6).toString("hex") };
  const { signal, onWait } = budget;
  return withDisposal(await store.lock(COLLECT_LOCK, { signal, ...(onWait && { onWait }) }), async () => {
    const chosen = await choose();
    await writing(root, () => removeItems(ports, chosen.removed));
    return chosen;
  });
}

/** Decides what goes. Pure, so that a dry run says what would happen. */
export function choice(items: readonly Item[], pins: Pins, { maxBytes, kinds }: Budget): Collected {
  const counted = items.filter((item) => !kinds || kinds.includes(item.kind));
  const used = inUse(items, pins);
  const gone = new Set<string>();
  const removed: Item[] = [];
  let keptBytes = total(counted);
  for (const item of removalOrder(counted)) {
    if (keptBytes <= maxBytes) break;
    if (used.has(item.path) || item.neededBy.some((path) => !gone.has(path))) continue;
    gone.add(item.path);
    removed.push(item);
    keptBytes -= item.bytes;
  }
  return { removed, freedBytes: total(removed), keptBytes, inUse: counted.filter(({ path }) => used.has(path)).length };
}

/**
 * Removes items for good: each is renamed away first, all that before anything of them is deleted, so that a crash leaves
 * whole items or none. Also ends what earlier removals and their crashes left.
 */
export async function removeItems({ root, files, random }: CollectPorts, items: readonly Item[]): Promise<void> {
  const folders = new Set<string>();
  for (const item of items) {
    const path = join(root, item.path);
    try {
      await files.rename(path, join(root, "tmp", `${REMOVED}${random()}`));
    } catch (error) {
      // A build has set it aside meanwhile.
      if (errnoOf(error) !== "ENOENT") throw error;
    }
    if (item.kind === "layer") await files.remove(join(root, checkFile(basename(path))));
    folders.add(dirname(path));
  }
  for (const folder of folders) await files.flush(folder);
  for (const name of await files.names(join(root, "tmp"))) {
    if (name.startsWith(REMOVED)) await files.remove(join(root, "tmp", name));
  }
  await removeOldChecks(files, root);
}

async function removeOldChecks(files: StoreFiles, root: string): Promise<void> {
  const layers = new Set(await files.names(join(root, LAYERS)));
  for (const name of await files.names(join(root, CHECKED))) {
    if (!layers.has(name.replace(/\.json$/, ""))) await files.remove(join(root, CHECKED, name));
  }
}

/** Paths that running builds use, with all that those need. A download that cannot be told from a running one counts, too. */
function inUse(items: readonly Item[], pins: Pins): ReadonlySet<string> {
  const byPath = new Map(items.map((item) => [item.path, item]));
  const used = new Set<string>();
  const use = (path: string): void => {
    if (used.has(path)) return;
    used.add(path);
    for (const need of byPath.get(path)?.needs ?? []) use(need);
  };
  for (const { path, kind } of items) {
    if (pins.holds(path) || (kind === "partial" && pins.otherRuns > 0)) use(path);
  }
  return used;
}

function total(items: readonly Item[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}
