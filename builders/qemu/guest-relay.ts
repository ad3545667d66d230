import type { GuestNetwork } from "../../src/core/builder.ts";
import type { Connection } from "../../src/machine/ssh2-machine.ts";

/** The way from a guest to the relay on this host: through the build's own connection, and so another one with every connection. */
export class GuestRelay {
  readonly #network: GuestNetwork;
  #url: string | undefined;

  constructor(network: GuestNetwork) {
    this.#network = network;
  }

  /** What the guest asks for packages by; undefined where it goes directly. */
  get url(): string | undefined {
    return this.#url;
  }

  /** @throws {KvciError} `command-failed` when the guest's SSH server forwards nothing. */
  async open(connection: Pick<Connection, "forward">): Promise<void> {
    const { relayPort } = this.#network;
    this.#url = relayPort === undefined ? undefined : `http://127.0.0.1:${await connection.forward(relayPort)}`;
  }
}
