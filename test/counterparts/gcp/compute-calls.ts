import type { ComputeCall } from "./compute-call.ts";
import { firewallCalls } from "./compute-firewalls.ts";
import { imageCalls } from "./compute-images.ts";
import { instanceCalls } from "./compute-instances.ts";
import { checkAnswer, checkRequest, type Routed } from "./compute-model.ts";
import { operationBody, operationNamed, waited } from "./compute-operations.ts";
import { GcpFault } from "./gcp-fault.ts";
import type { Json } from "./gcp-state.ts";
import { matches } from "./list-filter.ts";

const CALLS: Readonly<Record<string, (call: ComputeCall) => Json | Promise<Json>>> = {
  ...imageCalls,
  ...instanceCalls,
  ...firewallCalls,
  "globalOperations.get": ({ world, path }) => operationBody(world, operationNamed(world, path["operation"] ?? "")),
  "globalOperations.wait": async ({ world, path }) =>
    operationBody(world, await waited(world, path["operation"] ?? "")),
  "globalOperations.list": ({ world, query }) => {
    const all = [...world.state.operations.values()].map((each) => operationBody(world, each));
    return {
      kind: "compute#operationList",
      id: "operations",
      items: all.filter((each) => matches(query.get("filter") ?? "", each)),
    };
  },
  "zoneOperations.get": ({ world, path }) => operationBody(world, operationNamed(world, path["operation"] ?? "")),
  "zoneOperations.wait": async ({ world, path }) => operationBody(world, await waited(world, path["operation"] ?? "")),
  "projects.get": ({ world }) => ({
    kind: "compute#project",
    name: world.state.project,
    quotas: [{ metric: "IMAGES", limit: world.limits.images, usage: world.state.images.size }],
  }),
};

/** Permissions, where their last word is not that of the call. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  "images.insert": "compute.images.create",
  "images.patch": "compute.images.update",
  "instances.insert": "compute.instances.create",
  "firewalls.insert": "compute.firewalls.create",
  "globalOperations.wait": "compute.globalOperations.get",
  "zoneOperations.wait": "compute.zoneOperations.get",
};
const READING = /\.(?:get|getFromFamily|getIamPolicy|getSerialPortOutput|list|wait|testIamPermissions)$/;

export function isMutatingCompute(name: string): boolean {
  return !READING.test(name);
}

/** Does a call that has a path of the API; whatever does not fit the vendor's protocol file is a violation. */
export async function answerCompute({ operation, path }: Routed, call: Omit<ComputeCall, "path">): Promise<Json> {
  const { world, query, body } = call;
  const problems = checkRequest({ operation, path }, query, body);
  if (problems.length > 0) {
    world.violations.push(...problems);
    throw new GcpFault(400, "badRequest", problems.join("; "));
  }
  const permission = PERMISSIONS[operation.name] ?? `compute.${operation.name}`;
  if (world.denied.has(permission)) {
    throw new GcpFault(403, "forbidden", `Required '${permission}' permission for 'projects/${world.state.project}'`);
  }
  if (path["project"] !== world.state.project) {
    throw new GcpFault(404, "notFound", `The resource 'projects/${path["project"] ?? ""}' was not found`);
  }
  const answer = await CALLS[operation.name]?.({ ...call, path });
  if (answer === undefined) throw new GcpFault(501, "notImplemented", `${operation.name} is not answered here`);
  world.violations.push(...checkAnswer(operation, answer));
  return answer;
}
