import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { Disposer, withDisposal } from "../src/core/disposal.ts";
import { KvciError } from "../src/core/error.ts";
import type { GcpApi } from "../src/gcp/gcp-api.ts";
import { retryingSend } from "../src/gcp/gcp-caller.ts";
import { generateKeyPair } from "../src/machine/ssh2-machine.ts";
import { waitForHostKey } from "./console-host-keys.ts";
import type { DiskUnderTest } from "./disk-under-test.ts";
import { logIn, type SshIngress } from "./ssh-login.ts";
import {
  firewallRequest,
  GCE_CLONE_LIFE_MS,
  instanceRequest,
  machineTypeFor,
  type GceBoot,
} from "./gce-boot-request.ts";
import { followConsole, waitForAddress } from "./gce-console.ts";
import { removeGceLeftovers } from "./gce-leftovers.ts";
import { ownerOf } from "./gce-owner.ts";
import { gcePart, removeFirewall, removeInstance, type GcePart, type GceScope } from "./gce-part.ts";
import type { Clone, Place, PlaceContext } from "./place.ts";

export { removeGceLeftovers };

export interface GcePlacePorts {
  readonly api: GcpApi;
  readonly project: string;
  readonly zone: string;
  /** The image that the disk under test was made into, as a link; it may be private. */
  readonly image: string;
  /** Whose clones these are, in the labels of everything that is made. */
  readonly run: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Default: four processors and 16 GiB of the image's architecture. */
  readonly machineType?: string | undefined;
  /**
   * From where SSH is let in, as CIDR blocks. Nothing at Google tells the address that we come from, so unless told, SSH is open to
   * everybody: one port of one instance, for minutes, to one key that nobody else has.
   */
  readonly sshFrom?: readonly string[];
  /** Where the image's sshd listens. Default: 22. */
  readonly sshPort?: number | undefined;
  /** Where a clone's console is kept, also when verification fails; an earlier one is replaced. */
  readonly serialLog: (cloneName: string) => string;
  /** Where a public address leads to. Default: there. Tests have their machines on loopback. */
  readonly connect?: (address: string) => { readonly host: string; readonly port: number };
  /** Milliseconds for each part of the way in; see `BOOT_MS` and `LOGIN_MS`. Tests shorten them. */
  readonly bootMs?: number;
  readonly loginMs?: number;
  /** Milliseconds between two looks. */
  readonly pollMs?: number;
}

/** Two minutes are usual for making a disk of an image, a first boot and its keys. */
const BOOT_MS = 600_000;
/** sshd is up before cloud-init prints the host keys. */
const LOGIN_MS = 180_000;
const POLL_MS = 5_000;
const RULE_MS = 180_000;
const SSH_PORT = 22;
const EVERYWHERE = ["0.0.0.0/0"];

/**
 * Clones as Compute Engine's instances of an image. Each has a firewall rule of its own, no service account, gets one key for root as
 * on any cloud, makes its own host keys, and is trusted by what its console says they are. Everything is gone when the clone is;
 * what a killed process left is removed by the next run, and by Google itself after three hours.
 */
export function gcePlace(ports: GcePlacePorts): Place {
  let swept: Promise<void> | undefined;
  return {
    name: "gcp",
    clone: async (disk, name, context) => {
      swept ??= sweep(ports, context);
      await swept;
      return bootClone(ports, disk, { ...context, name });
    },
  };
}

/** Others' remains are no reason not to look at this disk. */
async function sweep(ports: GcePlacePorts, { journal, signal }: PlaceContext): Promise<void> {
  const { run: ownRun, ...rest } = ports;
  try {
    for (const what of await removeGceLeftovers({ ...rest, ownRun }, signal)) {
      journal.emit({ type: "leftover-removed", what });
    }
  } catch (error) {
    if (!(error instanceof KvciError) || signal.aborted) throw error;
    const detail = `what earlier runs left stays: ${error.message}`;
    journal.emit({ type: "warning", subject: ports.zone, detail });
  }
}

type CloneContext = PlaceContext & { readonly name: string };

async function bootClone(ports: GcePlacePorts, disk: DiskUnderTest, context: CloneContext): Promise<Clone> {
  // What was made so far goes when the clone does not come up; a clone that does takes it along.
  return withDisposal(new Disposer(), async (rollback) => {
    const guest = await boot(ports, disk, { ...context, rollback });
    const resources = rollback.move();
    return { ...guest, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  });
}

async function boot(
  ports: GcePlacePorts,
  disk: DiskUnderTest,
  context: CloneContext & { readonly rollback: Disposer },
): Promise<Omit<Clone, typeof Symbol.asyncDispose>> {
  const { name, journal, signal, rollback } = context;
  const { sshPort = SSH_PORT } = ports;
  const serialLog = ports.serialLog(name);
  await rm(serialLog, { force: true });
  const scope = scopeOf(ports, context);
  const clientKey = generateKeyPair(`kvci-verify@${name}`);
  const request = bootRequest(ports, disk, { scope, hostname: name, publicKey: clientKey.publicKey });
  await rollback.use(firewallPart(scope, request, { from: ports.sshFrom ?? EVERYWHERE, port: sshPort })).make(RULE_MS);
  const startedMs = performance.now();
  const end = startedMs + (ports.bootMs ?? BOOT_MS);
  await rollback.use(instancePart(scope, request)).make(end - startedMs);
  const address = await waitForAddress(scope, end, serialLog);
  const { died } = rollback.use(followConsole(scope, serialLog));
  const timeoutMs = Math.max(0, end - performance.now());
  const hostKey = await waitForHostKey({ serialLog, timeoutMs, intervalMs: scope.pollMs, died, signal });
  const at = ports.connect?.(address) ?? { host: address, port: sshPort };
  const way = { ...at, username: "root", privateKey: clientKey.privateKey, hostKey };
  const waiting = { timeoutMs: ports.loginMs ?? LOGIN_MS, intervalMs: scope.pollMs, serialLog, died, signal };
  const machine = rollback.use(await logIn(way, waiting));
  const bootMs = performance.now() - startedMs;
  journal.emit({ type: "guest-ready", afterMs: Math.round(bootMs), address: `${at.host}:${at.port}` });
  return { name, machine, bootMs, serialLog };
}

function scopeOf(ports: GcePlacePorts, { name: clone, journal, signal }: CloneContext): GceScope {
  const { api, project, zone, pollMs = POLL_MS } = ports;
  // Two places of one run may have clones of one name.
  const name = `kvci-${clone}-${randomBytes(4).toString("hex")}`;
  return { send: retryingSend(api), project, zone, name, pollMs, journal, signal };
}

function bootRequest(
  { image, zone, machineType, run, now }: GcePlacePorts,
  { arch }: DiskUnderTest,
  given: { readonly scope: GceScope; readonly hostname: string; readonly publicKey: string },
): GceBoot {
  const { scope, hostname, publicKey } = given;
  const owner = ownerOf(run, { now: now(), lifeMs: GCE_CLONE_LIFE_MS });
  return { name: scope.name, zone, image, machineType: machineTypeFor(arch, machineType), hostname, publicKey, owner };
}

function firewallPart(scope: GceScope, request: GceBoot, ssh: SshIngress): GcePart {
  const { name } = scope;
  return gcePart(scope, {
    kind: "firewall rule",
    action: "compute.firewalls.create",
    insert: ({ insertFirewall }, requestId) => insertFirewall(firewallRequest(request, ssh), requestId),
    isThere: async ({ firewalls }) => (await firewalls()).some((rule) => rule.name === name),
    remove: (zone, signal) => removeFirewall(name, zone, signal),
  });
}

function instancePart(scope: GceScope, request: GceBoot): GcePart {
  const { name } = scope;
  return gcePart(scope, {
    kind: "instance",
    action: "compute.instances.create",
    insert: ({ insertInstance }, requestId) => insertInstance(instanceRequest(request), requestId),
    isThere: async ({ instance }) => (await instance(name)) !== undefined,
    remove: (zone, signal) => removeInstance(name, zone, signal),
  });
}
