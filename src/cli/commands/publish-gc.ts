import { bounded } from "../../core/bounded.ts";
import { formatBytes } from "../../journal/format.ts";
import type { AnyPublisher } from "../../publish/plan.ts";
import type { GarbageItem } from "../../publish/publisher.ts";
import type { App } from "../app.ts";
import { openEnvironment } from "../environment-named.ts";
import type { PublishGcFlags } from "../publish-options.ts";
import { targetsNamed } from "../publish-targets.ts";
import { publisherOf } from "../publishers.ts";
import { withSession, type Session } from "../session.ts";
import { table } from "../table.ts";

/** Removals at once. */
const CONCURRENCY = 8;

/**
 * `kvci-build publish gc`: lists what retention does not keep at the targets, and with `--yes` removes it.
 *
 * @returns 2 when there is something to remove and it was not.
 */
export async function publishGc(host: App, flags: PublishGcFlags): Promise<number> {
  const { app, environment } = await openEnvironment(host, flags);
  const targets = targetsNamed(environment, flags.target);
  const { json = false, verbose = false, yes: remove = false } = flags;
  const session = { command: "publish gc", json, verbose, credentials: environment.credentials };
  const items = await withSession(app, session, async (open) => {
    // What no tag of a registry leads to is the registry's own to collect.
    const clouds = targets.filter(({ kind }) => kind !== "registry");
    const found = await garbageOf(await Promise.all(clouds.map((target) => publisherOf(target, open))), open);
    if (remove) await bounded(found, CONCURRENCY, ({ publisher, item }) => publisher.collect(item, open.signal));
    return found.map(({ item }) => item);
  });
  app.stdout.write(json ? `${JSON.stringify({ removed: remove, items })}\n` : render(items, remove));
  return items.length > 0 && !remove ? 2 : 0;
}

interface Found {
  readonly publisher: AnyPublisher;
  readonly item: GarbageItem;
}

async function garbageOf(publishers: readonly AnyPublisher[], { signal }: Session): Promise<readonly Found[]> {
  const found = await Promise.all(
    publishers.map(async (publisher) => (await publisher.garbage(signal)).map((item) => ({ publisher, item }))),
  );
  return found.flat();
}

function render(items: readonly GarbageItem[], removed: boolean): string {
  if (items.length === 0) return "nothing to remove\n";
  const rows = items.map(({ target, place, what, id, reason, bytes }) => [
    target,
    place,
    what,
    id,
    bytes === undefined ? "" : formatBytes(bytes),
    reason,
  ]);
  // Some go in steps: an image is obsolete for a while before it is gone.
  const end = removed ? "collected" : "would be collected; --yes does it";
  return `${table(["left", "left", "left", "left", "right", "left"], rows).join("\n")}\n${String(items.length)} ${end}\n`;
}
