import type { GcpSend } from "../../src/gcp/request.ts";
import type { PreflightFinding } from "../../src/publish/publisher.ts";
import type { NamedGcpTarget } from "./image-plan.ts";
import type { Place } from "./observe.ts";

/** What the preflight asks. */
export interface PreflightPorts extends Place {
  readonly target: NamedGcpTarget;
  readonly smoke: boolean;
  readonly send: GcpSend;
  readonly signal: AbortSignal;
}

/** A finding before it is told whose it is. */
export type Finding = Omit<PreflightFinding, "target" | "place">;
