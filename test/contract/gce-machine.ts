import assert from "node:assert/strict";
import { generateKeyPair } from "../../src/machine/ssh2-machine.ts";
import type { InstanceRecord, Json, Machine } from "../counterparts/gcp/gcp-state.ts";
import { startSshServer } from "./ssh-stand-in.ts";

export const HOST_KEY = generateKeyPair("host");
export const OTHER_KEY = generateKeyPair("other");

/** What cloud-init says of the host keys when it has made them. */
export function announcement(publicKey: string): string {
  return `-----BEGIN SSH HOST KEY KEYS-----\r\n${publicKey}\r\n-----END SSH HOST KEY KEYS-----\r\n`;
}

export interface Behaviour {
  /** What the guest writes to its first serial port. */
  readonly console: string;
  /** The host key it really has. */
  readonly hostKey: string;
}

/** What was asked of one instance's metadata. */
export function metadataOf({ resource }: Pick<InstanceRecord, "resource">): Readonly<Record<string, string>> {
  const { items } = resource["metadata"] as { readonly items: readonly { key: string; value: string }[] };
  return Object.fromEntries(items.map(({ key, value }) => [key, value]));
}

/** Instances that are SSH servers in this process: they let in the key of their own user-data and answer `ran: <command>`. */
export class SshMachines {
  /** Ports by address: every machine has an address of its own. */
  readonly #ports = new Map<string, number>();
  readonly behaviour: Behaviour;
  running = 0;

  constructor(behaviour: Partial<Behaviour> = {}) {
    this.behaviour = { console: announcement(HOST_KEY.publicKey), hostKey: HOST_KEY.privateKey, ...behaviour };
  }

  /** For the counterpart. */
  readonly start = async (instance: InstanceRecord): Promise<Machine> => {
    const server = await startSshServer({ hostKey: this.behaviour.hostKey, clientKey: keyIn(instance) });
    this.running += 1;
    const address = `203.0.113.${this.#ports.size + 1}`;
    this.#ports.set(address, server.port);
    return {
      address,
      serial: () => this.behaviour.console,
      stop: async () => {
        this.running -= 1;
        await server[Symbol.asyncDispose]();
      },
    };
  };

  /** Where an address leads to in the test. */
  readonly connect = (address: string): { readonly host: string; readonly port: number } => {
    const port = this.#ports.get(address);
    assert.ok(port !== undefined, `no machine has ${address}`);
    return { host: "127.0.0.1", port };
  };
}

function keyIn(instance: InstanceRecord): string {
  const userData = JSON.parse(metadataOf(instance)["user-data"]?.replace(/^#cloud-config\n/, "") ?? "{}") as Json;
  const [line = ""] = userData["ssh_authorized_keys"] as readonly string[];
  return line;
}
