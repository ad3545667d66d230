import type { ComputeCall } from "./compute-call.ts";
import { pageOf } from "./compute-images.ts";
import { operate, operationBody, selfLink } from "./compute-operations.ts";
import { GcpFault, invalid, notFound } from "./gcp-fault.ts";
import type { Json, World } from "./gcp-state.ts";
import { matches } from "./list-filter.ts";

interface NewFirewall {
  readonly name?: string;
  readonly network?: string;
  readonly direction?: string;
  readonly allowed?: readonly { readonly IPProtocol?: string; readonly ports?: readonly string[] }[];
  readonly sourceRanges?: readonly string[];
}

const NAME = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

export const firewallCalls: Readonly<Record<string, (call: ComputeCall) => Json | Promise<Json>>> = {
  "firewalls.get": ({ world, path }) => firewallNamed(world, path["firewall"] ?? ""),
  "firewalls.list": ({ world, query }) => {
    const all = [...world.state.firewalls.values()].filter((body) => matches(query.get("filter") ?? "", body));
    return { kind: "compute#firewallList", id: "firewalls", ...pageOf(all, { world, query }) };
  },
  "firewalls.insert": ({ world, query, body, fault }) => {
    const resource = body as NewFirewall & Json;
    const { name = "" } = resource;
    const target = `global/firewalls/${name}`;
    const begun = { call: "firewalls.insert", type: "insert", target, requestId: query.get("requestId"), body, fault };
    const operation = operate(world, begun, () => {
      assertFirewall(world, resource);
      const times = { creationTimestamp: new Date().toISOString() };
      world.state.firewalls.set(name, { ...resource, ...times, selfLink: selfLink(world, target) });
      return Promise.resolve();
    });
    return operationBody(world, operation);
  },
  "firewalls.delete": ({ world, path, query, fault }) => {
    const name = path["firewall"] ?? "";
    firewallNamed(world, name);
    const target = `global/firewalls/${name}`;
    const requestId = query.get("requestId");
    const begun = { call: `firewalls.delete ${name}`, type: "delete", target, requestId, body: null, fault };
    return operationBody(
      world,
      operate(world, begun, async () => void world.state.firewalls.delete(name)),
    );
  },
};

function assertFirewall(world: World, { name = "", ...rule }: NewFirewall): void {
  if (!NAME.test(name)) throw invalid(`Invalid value for field 'resource.name': '${name}'.`);
  if (world.state.firewalls.has(name)) {
    throw new GcpFault(409, "alreadyExists", `The resource 'global/firewalls/${name}' already exists`);
  }
  assertRule(rule);
}

function assertRule({ network = "", allowed = [], sourceRanges = [] }: NewFirewall): void {
  if (!/global\/networks\/[^/]+$/.test(network)) throw invalid(`Invalid network '${network}'.`);
  if (allowed.length === 0) throw invalid("Exactly one of allowed and denied is needed.");
  const odd = sourceRanges.find((range) => !/^[0-9a-f.:]+\/\d+$/.test(range));
  if (odd !== undefined) throw invalid(`Invalid source range '${odd}'.`);
}

function firewallNamed(world: World, name: string): Json {
  const firewall = world.state.firewalls.get(name);
  if (firewall) return firewall;
  throw notFound(`projects/${world.state.project}/global/firewalls/${name}`);
}
