import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { awsClients } from "../../src/aws/clients.ts";
import { silentJournal, type Journal } from "../../src/core/journal.ts";
import { generateKeyPair } from "../../src/machine/ssh2-machine.ts";
import { ec2Place, type Ec2PlacePorts } from "../../verify/ec2-place.ts";
import type { Clone } from "../../verify/place.ts";
import { startAws, type AwsCounterpart, type AwsOptions } from "../counterparts/aws/start-aws.ts";
import type { RunningMachine, RunRequest } from "../counterparts/aws/world.ts";
import { DISK } from "../verify/fake-clone.ts";
import { clientsOf, registerImage, wholeSnapshot } from "./aws-clients.ts";
import { startSshServer } from "./ssh-stand-in.ts";

export const REGION = "us-east-1";
const HOST_KEY = generateKeyPair("host");
export const OTHER_KEY = generateKeyPair("other");
const ANNOUNCEMENT = `-----BEGIN SSH HOST KEY KEYS-----\r\n${HOST_KEY.publicKey}\r\n-----END SSH HOST KEY KEYS-----\r\n`;

/** What machines behind instances do. */
export interface Behaviour {
  readonly console: string;
  /** The host key it really has. */
  readonly hostKey: string;
  /** Rejects what would run. */
  readonly refuses: string | undefined;
}

/** EC2 with a private image, whose instances are SSH servers in this process. */
export class Ec2World {
  readonly aws: AwsCounterpart;
  readonly folder: string;
  readonly requests: RunRequest[] = [];
  image = "";
  running = 0;
  readonly behaviour: Behaviour;
  readonly #ports = new Map<string, number>();

  private constructor(aws: AwsCounterpart, folder: string, behaviour: Behaviour) {
    this.aws = aws;
    this.folder = folder;
    this.behaviour = behaviour;
  }

  static async start(
    behaviour: Partial<Behaviour> = {},
    options: Pick<AwsOptions, "faults" | "delays" | "denied"> & { readonly architecture?: "x86_64" | "arm64" } = {},
  ): Promise<Ec2World> {
    const { architecture = "x86_64", faults = [], delays = {}, denied = [] } = options;
    const folder = await mkdtemp(join(tmpdir(), "kvci-ec2-"));
    const later: { world?: Ec2World } = {};
    const aws = await startAws({ denied, onRunInstance: async (request) => later.world!.#run(request) });
    const all = { console: ANNOUNCEMENT, hostKey: HOST_KEY.privateKey, refuses: undefined, ...behaviour };
    const world = new Ec2World(aws, folder, all);
    later.world = world;
    const clients = clientsOf(aws.env, REGION);
    const BootMode = "uefi" as const;
    world.image = await registerImage(clients, await wholeSnapshot(clients), { Architecture: architecture, BootMode });
    Object.assign(aws.delays, delays);
    aws.faults.add(...faults);
    return world;
  }

  async #run(request: RunRequest): Promise<RunningMachine> {
    this.requests.push(request);
    const { console, hostKey, refuses } = this.behaviour;
    if (refuses !== undefined) throw new TypeError(refuses);
    const server = await startSshServer({ hostKey, clientKey: request.keyPair?.publicKey ?? "" });
    const publicIp = `192.0.2.${String(this.requests.length)}`;
    this.#ports.set(publicIp, server.port);
    this.running += 1;
    return {
      publicIp,
      consoleOutput: () => console,
      stop: async () => {
        this.running -= 1;
        await server[Symbol.asyncDispose]();
      },
    };
  }

  ports(given: Partial<Ec2PlacePorts> = {}): Ec2PlacePorts {
    return {
      api: awsClients(this.aws.env),
      region: REGION,
      image: this.image,
      run: "run-1",
      now: () => Date.now(),
      serialLog: (clone) => join(this.folder, `${clone}.log`),
      connect: (address) => ({ host: "127.0.0.1", port: this.#ports.get(address) ?? 1 }),
      bootMs: 5_000,
      loginMs: 5_000,
      pollMs: 20,
      ...given,
    };
  }

  clone(
    given: Partial<Ec2PlacePorts> & { readonly signal?: AbortSignal; readonly journal?: Journal } = {},
    name = "verify-a",
  ): Promise<Clone> {
    const { signal = new AbortController().signal, journal = silentJournal, ...ports } = given;
    return ec2Place(this.ports(ports)).clone(DISK, name, { journal, signal });
  }

  /** Instances that are not on their way out, key pairs and groups; what there is at all. */
  left(): { readonly instances: number; readonly keyPairs: number; readonly groups: number } {
    const { instances, keyPairs, securityGroups } = this.aws.region(REGION);
    const alive = [...instances.values()].filter(({ terminatedMs }) => terminatedMs === undefined);
    return { instances: alive.length, keyPairs: keyPairs.size, groups: securityGroups.size };
  }

  assertNothingLeft(): void {
    assert.deepEqual(this.left(), { instances: 0, keyPairs: 0, groups: 0 });
  }

  /** Times that a call came in and was answered well. */
  made(action: string): number {
    return this.aws.calls.filter((call) => call.action === action && call.status === 200).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const wrong = this.aws.violations;
    await this.aws.close();
    await rm(this.folder, { recursive: true, force: true });
    assert.deepEqual(wrong, []);
  }
}
