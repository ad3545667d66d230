/** One call from its bytes to its answer: who asks, whether they may, what goes wrong on the way, and the log of it. */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { AwsFault, writeFault } from "./aws-fault.ts";
import type { Values } from "./aws-model.ts";
import type { RegionRecord } from "./aws-state.ts";
import { faultBefore, troubleOf } from "./trouble.ts";
import type { Faults, FaultRule } from "./fault-plan.ts";
import type { Incoming, Outgoing } from "./json-protocol.ts";
import { actionOf, guessedService, performCall, readCall } from "./perform-call.ts";
import { readScope, type Scope } from "./request-scope.ts";
import type { Call, World } from "./world.ts";

export interface Desk {
  readonly world: World;
  readonly faults: Faults;
  /** What requests and answers had that the vendor's models do not allow. */
  readonly violations: string[];
  readonly expiredTokens: Set<string>;
}

/** The answer, or undefined where the connection is to be cut. */
export async function answerCall(desk: Desk, incoming: Incoming): Promise<Outgoing | undefined> {
  const requestId = randomUUID();
  let service = guessedService(incoming);
  try {
    const scope = readScope(incoming, Date.now());
    service = scope.service;
    const action = actionOf(service, incoming);
    return await answerKnown(desk, incoming, { scope, action, requestId });
  } catch (error) {
    if (!(error instanceof AwsFault)) throw error;
    desk.violations.push(`${service}: ${error.code}: ${error.message}`);
    return writeFault(service, error, requestId);
  }
}

interface Known {
  readonly scope: Scope;
  readonly action: string;
  readonly requestId: string;
}

async function answerKnown(desk: Desk, incoming: Incoming, known: Known): Promise<Outgoing | undefined> {
  const { scope, action } = known;
  const { values, problems } = readCall(scope.service, action, incoming);
  const call = newCall(desk.world, known, values);
  desk.world.calls.push(call);
  const rules = desk.faults.hitting(call);
  try {
    const outgoing = await throughFaults(rules, call, async () => {
      if (rules.some(({ kind }) => kind === "expired")) desk.expiredTokens.add(scope.token);
      checkProblems(desk, call, problems);
      return perform(desk, known, isCorrupted(rules) ? withOddBlock(values) : values);
    });
    call.status = outgoing?.status ?? 0;
    return outgoing;
  } catch (error) {
    if (!(error instanceof AwsFault)) throw error;
    const outgoing = writeFault(scope.service, error, known.requestId);
    call.code = error.code;
    call.status = outgoing.status;
    return { ...outgoing, headers: { ...outgoing.headers, ...retryAfter(rules) } };
  }
}

function newCall(world: World, { scope, action, requestId }: Known, values: Values): Call {
  return {
    sequence: world.nextSequence(),
    atMs: world.now(),
    service: scope.service,
    action,
    region: scope.region,
    account: scope.account,
    requestId,
    mutating: !/^(?:Describe|Get|List)/.test(action) && values["DryRun"] !== true,
    parameters: Object.fromEntries(Object.entries(values).filter(([name]) => name !== "BlockData")),
    status: 0,
    code: undefined,
  };
}

async function throughFaults(
  rules: readonly FaultRule[],
  { service, action }: Call,
  doIt: () => Promise<Outgoing>,
): Promise<Outgoing | undefined> {
  const has = (kind: FaultRule["kind"]) => rules.some((each) => each.kind === kind);
  await pause(rules, "slow");
  if (has("reset")) return undefined;
  const before = faultBefore(service, rules);
  if (before !== undefined) throw before;
  const outgoing = await doIt();
  await pause(rules, "slow-reply");
  if (has("lost-reply")) return undefined;
  if (has("failed-reply")) throw troubleOf("broken", service);
  const flip = isCorrupted(rules) && action === "GetSnapshotBlock";
  return flip ? { ...outgoing, body: flipped(outgoing.body as Uint8Array) } : outgoing;
}

async function pause(rules: readonly FaultRule[], kind: FaultRule["kind"]): Promise<void> {
  for (const rule of rules) if (rule.kind === kind) await wait(rule.delayMs ?? 1000);
}

function retryAfter(rules: readonly FaultRule[]): Readonly<Record<string, string>> {
  const seconds = rules.find(({ retryAfterSeconds }) => retryAfterSeconds !== undefined)?.retryAfterSeconds;
  return seconds === undefined ? {} : { "retry-after": String(seconds) };
}

function isCorrupted(rules: readonly FaultRule[]): boolean {
  return rules.some(({ kind }) => kind === "corrupt");
}

function withOddBlock(values: Values): Values {
  const bytes = values["BlockData"];
  return bytes instanceof Uint8Array ? { ...values, BlockData: flipped(bytes) } : values;
}

function flipped(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}

/** A request that the vendor's model does not allow is refused, and remembered. */
function checkProblems({ violations }: Desk, { service, action }: Call, problems: readonly string[]): void {
  if (problems.length === 0) return;
  violations.push(...problems.map((problem) => `${service}:${action}: ${problem}`));
  const code = service === "ec2" ? codeFor(problems) : "ValidationException";
  const reason = service === "ebs" ? { reason: "INVALID_PARAMETER_VALUE" } : {};
  throw new AwsFault(code, problems.join("; ").slice(0, 256), { status: 400, ...reason });
}

function codeFor(problems: readonly string[]): string {
  if (problems.some((each) => each.includes("unknown parameter"))) return "UnknownParameter";
  return problems.some((each) => each.includes("missing required")) ? "MissingParameter" : "InvalidParameterValue";
}

async function perform(desk: Desk, { scope, action, requestId }: Known, values: Values): Promise<Outgoing> {
  const { service, account } = scope;
  const { world, violations } = desk;
  if (desk.expiredTokens.has(scope.token)) throw troubleOf("expired", service);
  const region = enteredRegion(world, scope);
  const prefix = service === "service-quotas" ? "servicequotas" : service;
  if (world.denied.has(`${prefix}:${action}`)) throw troubleOf("denied", service);
  if (service === "ec2" && values["DryRun"] === true) {
    throw new AwsFault("DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
  }
  const context = { world, region, account, nowMs: world.now() };
  const { outgoing, problems } = await performCall({ service, action, requestId }, values, context);
  violations.push(...problems.map((problem) => `answer of ${service}:${action}: ${problem}`));
  return { ...outgoing, headers: { ...outgoing.headers, "x-amzn-requestid": requestId } };
}

function enteredRegion(world: World, { service, region: name }: Scope): RegionRecord {
  const region = world.state.regions.get(name);
  if (region !== undefined && region.optIn !== "not-opted-in") return region;
  throw troubleOf("stranger", service);
}
