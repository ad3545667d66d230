import { invalid } from "./gcp-fault.ts";
import type { World } from "./gcp-state.ts";

/** Changes with whatever it stands for. */
export function fingerprint(world: World): string {
  return Buffer.from(`fingerprint-${world.nextNumber()}`).toString("base64");
}

export function checkedLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(labels)) {
    if (!/^[a-z][a-z0-9_-]{0,62}$/.test(key)) throw invalid(`Invalid label key '${key}'.`);
    if (!/^[a-z0-9_-]{0,63}$/.test(value)) throw invalid(`Invalid label value '${value}'.`);
  }
  return labels;
}
