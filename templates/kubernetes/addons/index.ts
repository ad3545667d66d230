import type { AddonInput } from "kvci-build";
import { CORE_ADDONS } from "./core.ts";
import { NETWORK_ADDONS } from "./network.ts";
import { OBSERVABILITY_ADDONS } from "./observability.ts";
import { STORAGE_ADDONS } from "./storage.ts";

/** Every addon that a node image knows. One entry more is one more addon: manifests, images and readiness follow from it. */
export const ADDONS: readonly AddonInput[] = [
  ...CORE_ADDONS,
  ...STORAGE_ADDONS,
  ...NETWORK_ADDONS,
  ...OBSERVABILITY_ADDONS,
];
