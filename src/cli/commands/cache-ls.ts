import { inventory } from "../../store/inventory.ts";
import type { App } from "../app.ts";
import { renderItems } from "../render-cache.ts";

export interface CacheLsFlags {
  readonly json?: true;
}

/** `kvci-build cache ls`: lists what the store holds, and what needs what. Writes nothing, so a read-only store will do. */
export async function cacheLs(app: Pick<App, "storeRoot" | "stdout" | "now">, flags: CacheLsFlags): Promise<number> {
  const items = await inventory(app.storeRoot);
  const json = { store: app.storeRoot, bytes: items.reduce((sum, { bytes }) => sum + bytes, 0), items };
  app.stdout.write(flags.json ? `${JSON.stringify(json, null, 2)}\n` : renderItems(app.storeRoot, items, app.now()));
  return 0;
}
