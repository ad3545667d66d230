import { z } from "zod";
import { digestSchema } from "../core/record-schemas.ts";
import type { JsonValue } from "./json.ts";
import { PHASES } from "./phase.ts";

const json = z.json() as z.ZodType<JsonValue>;
const at = z.iso.datetime();
const step = z.string().min(1);

const publishStep = z.object({
  id: step,
  phase: z.enum(PHASES),
  kind: z.string(),
  target: z.string(),
  place: z.string(),
  required: z.boolean(),
  title: z.string(),
  inputs: json,
  needs: z.array(z.string()).readonly(),
  quantities: z.record(z.string(), z.number()),
  reversible: z.boolean(),
  exposes: z.boolean(),
});

/** One line of a run's ledger. */
export const ledgerRecord = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("run"),
    formatVersion: z.literal(1),
    run: z.string(),
    subject: digestSchema,
    plan: digestSchema,
    targets: z.array(z.string()).readonly(),
    what: z.array(z.string()).readonly(),
    tool: z.string(),
    at,
  }),
  /** A step is about to be begun; the whole of it, so that it can be taken back without its plan. */
  z.object({ type: z.literal("intended"), step, data: publishStep, at }),
  z.object({ type: z.literal("done"), step, result: z.record(z.string(), json), at }),
  z.object({ type: z.literal("failed"), step, code: z.string(), message: z.string(), at }),
  z.object({ type: z.literal("undone"), step, at }),
  /** What the remote cannot tell. */
  z.object({ type: z.literal("remembered"), key: z.string(), value: json, at }),
  z.object({
    type: z.literal("ended"),
    outcome: z.enum(["published", "partial", "failed", "interrupted", "rolled-back"]),
    at,
  }),
]);

export type LedgerRecord = Readonly<z.output<typeof ledgerRecord>>;
export type RunOutcome = Extract<LedgerRecord, { type: "ended" }>["outcome"];
/** A record without its time, which the ledger adds. */
export type NewRecord = LedgerRecord extends infer R ? (R extends LedgerRecord ? Omit<R, "at"> : never) : never;
