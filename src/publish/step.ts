import type { JsonValue } from "./json.ts";
import type { Phase } from "./phase.ts";

/** One thing to do at one place, as data: planner, ledger, rollback and tests share the list. */
export interface PublishStep {
  /** Unique in a plan and the same for the same thing in every run: `aws/us-east-1/register`. */
  readonly id: string;
  readonly phase: Phase;
  /** What the publisher does: `start-snapshot`, `push-manifest`. */
  readonly kind: string;
  /** The target's name, and the region, registry or project. */
  readonly target: string;
  readonly place: string;
  /** A failure at a place that is not required makes the release partial; the place's later steps are left out. */
  readonly required: boolean;
  /** One line for a person: "copy ami to eu-west-1". */
  readonly title: string;
  /** Everything the publisher needs beside results of earlier steps. Part of the plan's id. */
  readonly inputs: JsonValue;
  /** Steps whose results this one needs; all in the same or an earlier phase. */
  readonly needs: readonly string[];
  /** What it takes: bytes moved, requests, minutes, GiB-months; for the plan's table and its cost. */
  readonly quantities: Readonly<Record<string, number>>;
  /** False for what cannot be taken back, such as a deprecation date in the past. */
  readonly reversible: boolean;
  /** True for what others can see or use from then on. */
  readonly exposes: boolean;
}

/** What a step came to: ids, digests, former values that undoing needs. Kept in the ledger; never a secret. */
export type StepResult = Readonly<Record<string, JsonValue>>;

/** Results of steps so far, by step id. */
export type StepResults = ReadonlyMap<string, StepResult>;
