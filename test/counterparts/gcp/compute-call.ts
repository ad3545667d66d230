import type { FaultRule } from "./gcp-fault.ts";
import type { World } from "./gcp-state.ts";

/** A call of Compute Engine's API, taken apart. */
export interface ComputeCall {
  readonly world: World;
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: unknown;
  /** Fails the operation that the call begins. */
  readonly fault: FaultRule | undefined;
}
