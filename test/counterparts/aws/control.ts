/**
 * What a test asks of a counterpart in another process: GET /_counterpart/{state,calls,events,violations}, and POST
 * /_counterpart/faults with a list of rules, which replaces those there are.
 */
import type { Desk } from "./answer-call.ts";
import type { FaultRule } from "./fault-plan.ts";
import type { Incoming, Outgoing } from "./json-protocol.ts";

const PREFIX = "/_counterpart/";

/** The answer; undefined for what is meant for AWS. */
export function answerControl(desk: Desk, { method, url, body }: Incoming): Outgoing | undefined {
  if (!url.pathname.startsWith(PREFIX)) return undefined;
  const what = `${method} ${url.pathname.slice(PREFIX.length)}`;
  const { world, faults, violations } = desk;
  switch (what) {
    case "GET state":
      return json(world.state);
    case "GET calls":
      return json(world.calls);
    case "GET events":
      return json(world.events);
    case "GET violations":
      return json(violations);
    case "POST faults":
      faults.clear();
      faults.add(...(JSON.parse(body.toString("utf8")) as readonly FaultRule[]));
      return json({});
    default:
      return { status: 404, headers: {}, body: `no ${what} here` };
  }
}

function json(value: unknown): Outgoing {
  return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(value, plain) };
}

/** Maps as objects, sets as lists. */
function plain(_: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value as Map<string, unknown>);
  return value instanceof Set ? [...(value as Set<unknown>)] : value;
}
