import { createReadStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { answerCompute, isMutatingCompute } from "./compute-calls.ts";
import { routeOf } from "./compute-model.ts";
import { GcpFault, type FaultRule, type Faults } from "./gcp-fault.ts";
import type { World } from "./gcp-state.ts";
import type { Identity } from "./identity.ts";
import type { Outgoing } from "./storage-call.ts";
import { answerStorage, storageRoute } from "./storage-calls.ts";

export interface Desk {
  readonly world: World;
  readonly faults: Faults;
  readonly identity: Identity;
}

interface Incoming {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** A call that was recognised, and how to do it. */
interface Known {
  readonly name: string;
  readonly mutating: boolean;
  /** Its address is its permission. */
  readonly isOpen?: boolean;
  /** The body comes as bytes. */
  readonly takesBytes?: boolean;
  readonly run: (body: unknown, rules: readonly FaultRule[]) => Promise<Outgoing>;
}

const TOKEN_PATH = "/v1/token";

export async function answerRequest(desk: Desk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  const url = new URL(request.url ?? "/", "http://localhost");
  try {
    await reply(await recorded(desk, { request, url, headers }), request, response);
  } catch (error) {
    // A client that went away, or a fault of this server: neither may pass as an answer of Google.
    if (!request.destroyed) {
      desk.world.violations.push(`counterpart: ${error instanceof Error ? String(error.stack) : "?"}`);
    }
    request.socket.destroy();
  }
}

async function recorded(desk: Desk, incoming: Incoming): Promise<Outgoing> {
  const known = knownCall(desk, incoming);
  const { name, mutating } = known;
  const bytes = Number(incoming.headers["content-length"] ?? "0");
  const answer = await answered(desk, known, incoming);
  desk.world.calls.push({ name, mutating, status: answer.status, bytes });
  return answer;
}

async function answered(desk: Desk, known: Known, { request, headers }: Incoming): Promise<Outgoing> {
  const rules = desk.faults.hitting(known.name);
  try {
    if (known.takesBytes !== true) {
      return await done(desk, known, { rules, headers, body: bodyOf(await allOf(request)) });
    }
    return await done(desk, known, { rules, headers, body: undefined });
  } catch (error) {
    if (!(error instanceof GcpFault)) throw error;
    const retryAfter = error.retryAfterSeconds === undefined ? {} : { "retry-after": String(error.retryAfterSeconds) };
    return {
      status: error.status,
      headers: { "content-type": "application/json", ...retryAfter },
      body: JSON.parse(error.body()),
    };
  }
}

async function done(
  { identity }: Desk,
  { run, isOpen }: Known,
  { rules, headers, body }: { rules: readonly FaultRule[]; headers: Incoming["headers"]; body: unknown },
): Promise<Outgoing> {
  for (const rule of rules) {
    const end = await suffer(rule, identity);
    if (end) return end;
  }
  if (isOpen !== true) identity.assertKnown(headers["authorization"]);
  const answer = await run(body, rules);
  return rules.some(({ kind }) => kind === "lost-reply") ? { ...answer, cut: true } : answer;
}

/** What a fault does before the call is looked at. @returns the end of the call, if that is one. */
async function suffer(rule: FaultRule, identity: Identity): Promise<Outgoing | undefined> {
  if (rule.kind === "slow") await sleep(rule.delayMs ?? 100);
  if (rule.kind === "expired") identity.expire();
  if (rule.kind === "error" || rule.kind === "throttle") throw troubleOf(rule);
  return rule.kind === "reset" ? { status: 0, cut: true } : undefined;
}

function troubleOf({ kind, status, reason, message, retryAfterSeconds }: FaultRule): GcpFault {
  const usual =
    kind === "throttle"
      ? ([429, "rateLimitExceeded", "Rate Limit Exceeded"] as const)
      : ([503, "backendError", "Backend Error"] as const);
  return new GcpFault(status ?? usual[0], reason ?? usual[1], { message: message ?? usual[2], retryAfterSeconds });
}

function knownCall(desk: Desk, incoming: Incoming): Known {
  const { request, url } = incoming;
  const found = computeCall(desk, incoming) ?? storageCall(desk, incoming) ?? accountCall(desk, incoming);
  if (found) return found;
  desk.world.violations.push(`unknown call: ${request.method ?? ""} ${url.pathname}`);
  const run = (): Promise<Outgoing> => Promise.reject(new GcpFault(404, "notFound", "Not Found"));
  return { name: "unknown", mutating: true, run };
}

function computeCall({ world }: Desk, { request, url }: Incoming): Known | undefined {
  const routed = routeOf(request.method ?? "", url.pathname);
  if (routed === undefined) return undefined;
  const { name } = routed.operation;
  return {
    name,
    mutating: isMutatingCompute(name),
    run: async (body, rules) => {
      const fault = rules.find(({ kind }) => kind === "operation-error");
      return { status: 200, body: await answerCompute(routed, { world, query: url.searchParams, body, fault }) };
    },
  };
}

function storageCall({ world }: Desk, { request, url, headers }: Incoming): Known | undefined {
  const routed = storageRoute(request.method ?? "", url.pathname, headers);
  if (routed === undefined) return undefined;
  const { name, mutating, isSession, path } = routed;
  return {
    name,
    mutating,
    isOpen: isSession,
    takesBytes: isSession,
    run: (body, rules) =>
      answerStorage(routed, { world, path, query: url.searchParams, headers, body, stream: request, rules }),
  };
}

/** What is neither of the two: tokens, and rights in the project. */
function accountCall({ world, identity }: Desk, { request, url }: Incoming): Known | undefined {
  if (request.method !== "POST") return undefined;
  if (url.pathname === TOKEN_PATH) {
    const run = (body: unknown): Promise<Outgoing> =>
      Promise.resolve({ status: 200, body: identity.exchange(new URLSearchParams(String(body))) });
    return { name: "token.exchange", mutating: false, isOpen: true, run };
  }
  if (url.pathname !== `/v1/projects/${world.state.project}:testIamPermissions`) return undefined;
  const run = (body: unknown): Promise<Outgoing> => {
    if (world.denied.has("resourcemanager.projects.get")) {
      return Promise.reject(
        new GcpFault(403, "accessNotConfigured", "Cloud Resource Manager API has not been used in this project."),
      );
    }
    const { permissions = [] } = body as { permissions?: string[] };
    return Promise.resolve({
      status: 200,
      body: { permissions: permissions.filter((each) => !world.denied.has(each)) },
    });
  };
  return { name: "projects.testIamPermissions", mutating: false, run };
}

async function allOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** JSON where it is JSON; a form stays text. */
function bodyOf(text: string): unknown {
  // Google's client library sends two quotes for nothing at all.
  if (text === "" || text === '""') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

async function reply(answer: Outgoing, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (answer.cut === true) {
    request.socket.destroy();
    return;
  }
  // What was not read is read now: the connection goes on.
  request.resume();
  const { status, headers = {}, body, file } = answer;
  if (file !== undefined) {
    response.writeHead(status, headers);
    for await (const piece of createReadStream(file)) response.write(piece);
    response.end();
    return;
  }
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body));
  response
    .writeHead(status, { "content-type": "application/json", ...headers, "content-length": bytes.length })
    .end(bytes);
}
