import { rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { awsCaller, type AwsCaller } from "../src/aws/aws-caller.ts";
import type { AwsApi } from "../src/aws/clients.ts";
import { ec2Leftovers, leaseTags } from "../src/aws/ec2-leftovers.ts";
import { removeLeftover } from "../src/aws/ec2-remove.ts";
import { Disposer, withDisposal } from "../src/core/disposal.ts";
import { KvciError } from "../src/core/error.ts";
import { generateKeyPair } from "../src/machine/ssh2-machine.ts";
import { waitForHostKey } from "./console-host-keys.ts";
import type { DiskUnderTest } from "./disk-under-test.ts";
import { EC2_BOOT_EXPIRES_MS } from "./ec2-boot-request.ts";
import { watchConsole } from "./ec2-console.ts";
import { logIn } from "./ssh-login.ts";
import { ec2Instance } from "./ec2-instance.ts";
import { ec2KeyPair } from "./ec2-key-pair.ts";
import type { Ec2Scope } from "./ec2-part.ts";
import { waitForAddress } from "./ec2-running.ts";
import { ec2SecurityGroup } from "./ec2-security-group.ts";
import type { Clone, Place, PlaceContext } from "./place.ts";

export interface Ec2PlacePorts {
  readonly api: AwsApi;
  readonly region: string;
  /** The AMI that the disk under test was made into; it may be private. */
  readonly image: string;
  /** Whose clones these are, in the tags of everything that is made. */
  readonly run: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Default: two processors and 8 GiB of the image's architecture. */
  readonly instanceType?: string | undefined;
  /**
   * From where SSH is let in, as CIDR blocks. No call to AWS tells the address that we come from, and asking a web site for it
   * would make a third party part of every release: unless told, SSH is open to everybody. What is open is one port, for
   * minutes, to one key that nobody else has.
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

/** A first boot reads its disk from the snapshot as it goes, which is slow: two minutes are usual, five happen. */
const BOOT_MS = 900_000;
/** sshd is up before cloud-init prints the host keys. */
const LOGIN_MS = 180_000;
const POLL_MS = 5_000;
const SSH_PORT = 22;

/**
 * Clones as instances of an AMI. Each has a key pair and a security group of its own, gets one key for root as on any cloud, makes
 * its own host keys, and is trusted by what its console says they are: no packet of the network is. Everything is gone when the
 * clone is; what a killed process left goes with the next one that comes after its time.
 */
export function ec2Place(ports: Ec2PlacePorts): Place {
  let swept: Promise<unknown> | undefined;
  return {
    name: "aws",
    clone: async (disk, name, context) => {
      swept ??= sweep(ports, context);
      await swept;
      return bootClone(ports, disk, { ...context, name });
    },
  };
}

/**
 * Removes instances, key pairs and security groups that dead runs left in a region. A run is dead when its lease is over: see
 * `leaseTags`.
 *
 * @returns what was removed, in words.
 * @throws {KvciError} what AWS says, `interrupted`.
 */
export async function removeEc2Leftovers(
  from: { readonly api: AwsApi; readonly region: string; readonly now: () => number; readonly ownRun: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { api, region, now, ownRun } = from;
  return removeAll({ caller: awsCaller(api), region, now: now(), ownRun, pollMs: POLL_MS }, signal);
}

async function removeAll(
  from: {
    readonly caller: AwsCaller;
    readonly region: string;
    readonly now: number;
    readonly ownRun: string;
    readonly pollMs: number;
  },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { caller, region, pollMs } = from;
  const found = await ec2Leftovers(region, from, { signal });
  for (const each of found) await removeLeftover(each, { region, caller, signal, pollMs });
  return found.map(({ id, what, reason }) => `${what} (${id}), ${reason}`);
}

/** Others' remains are no reason not to look at this disk. */
async function sweep(ports: Ec2PlacePorts, { journal, signal }: PlaceContext): Promise<void> {
  const { api, region, now, run, pollMs = POLL_MS } = ports;
  const warn = (detail: string): void => {
    journal.emit({ type: "warning", subject: region, detail });
  };
  try {
    const from = { caller: awsCaller(api), region, now: now(), ownRun: run, pollMs };
    for (const each of await removeAll(from, signal)) warn(`removed ${each}`);
  } catch (error) {
    if (!(error instanceof KvciError) || signal.aborted) throw error;
    warn(`what earlier runs left stays: ${error.message}`);
  }
}

type CloneContext = PlaceContext & { readonly name: string };

async function bootClone(ports: Ec2PlacePorts, disk: DiskUnderTest, context: CloneContext): Promise<Clone> {
  // What was made so far goes when the clone does not come up; a clone that does takes it along.
  return withDisposal(new Disposer(), async (rollback) => {
    const guest = await boot(ports, disk, { ...context, rollback });
    const resources = rollback.move();
    return { ...guest, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  });
}

async function boot(
  ports: Ec2PlacePorts,
  disk: DiskUnderTest,
  context: CloneContext & { readonly rollback: Disposer },
): Promise<Omit<Clone, typeof Symbol.asyncDispose>> {
  const { name, journal, signal, rollback } = context;
  const serialLog = ports.serialLog(name);
  await rm(serialLog, { force: true });
  const scope = scopeOf(ports, context);
  const clientKey = generateKeyPair(scope.name);
  // Held before they are made: a call that was stopped on its way may have been heard.
  const keyPair = rollback.use(ec2KeyPair(scope));
  const group = rollback.use(ec2SecurityGroup(scope));
  const instance = rollback.use(ec2Instance(scope));
  await keyPair.make(clientKey.publicKey);
  const { sshFrom = ["0.0.0.0/0", "::/0"], sshPort = SSH_PORT, image, instanceType } = ports;
  const groupId = await group.make({ from: sshFrom, port: sshPort });
  const startedMs = performance.now();
  const { publicKey } = clientKey;
  const id = await instance.make({ image, arch: disk.arch, instanceType, groupId, hostname: name, publicKey });
  const end = startedMs + (ports.bootMs ?? BOOT_MS);
  const address = await waitForAddress(id, scope, end);
  const feed = rollback.use(watchConsole(id, scope, serialLog));
  const { died } = feed;
  const timeoutMs = Math.max(0, end - performance.now());
  const hostKey = await waitForHostKey({ serialLog, timeoutMs, intervalMs: scope.pollMs, died, signal });
  const place = ports.connect?.(address) ?? { host: address, port: sshPort };
  const way = { ...place, username: "root", privateKey: clientKey.privateKey, hostKey };
  const waiting = { timeoutMs: ports.loginMs ?? LOGIN_MS, intervalMs: scope.pollMs, serialLog, died, signal };
  const machine = rollback.use(await logIn(way, waiting));
  const bootMs = performance.now() - startedMs;
  journal.emit({ type: "guest-ready", afterMs: Math.round(bootMs), address: `${place.host}:${String(place.port)}` });
  return { name, machine, bootMs, serialLog };
}

function scopeOf(ports: Ec2PlacePorts, { name: clone, journal, signal }: CloneContext): Ec2Scope {
  const { api, region, run, now, pollMs = POLL_MS } = ports;
  // Two places of one run may have clones of one name.
  const name = `kvci-verify-${clone}-${randomBytes(4).toString("hex")}`;
  const tags = leaseTags({ name, run, expires: now() + EC2_BOOT_EXPIRES_MS });
  return { caller: awsCaller(api), region, name, tags, pollMs, journal, signal };
}
