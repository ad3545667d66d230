import type { AwsTarget } from "../../src/core/target.ts";
import { isEnabled, type RegionState } from "./state.ts";

export type ChosenRegion = Pick<RegionState, "region" | "required" | "optIn">;

/**
 * The regions of a target: its own first, then the others by name. "all" means every region that the account has enabled; one
 * that is named as best effort is no longer required by that.
 *
 * @param known every region of the partition, with its opt-in status.
 */
export function chosenRegions(
  { region: home, regions, bestEffortRegions }: AwsTarget,
  known: ReadonlyMap<string, string>,
): readonly ChosenRegion[] {
  const bestEffort = new Set(bestEffortRegions);
  const all = [...known].filter(([, optIn]) => isEnabled({ optIn })).map(([region]) => region);
  const named = regions === "all" ? all.filter((region) => !bestEffort.has(region)) : regions;
  const required = new Set([home, ...named]);
  const others = [...new Set([...required, ...bestEffort])].filter((region) => region !== home).sort();
  return [home, ...others].map((region) => ({
    region,
    required: required.has(region),
    optIn: known.get(region) ?? "unknown",
  }));
}
