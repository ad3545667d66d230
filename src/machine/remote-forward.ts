import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { KvciError } from "../core/error.ts";

/** What of an SSH client it takes. */
export interface ForwardingClient {
  /** Asks the machine to listen; the port that it chose is the answer. */
  readonly listen: (address: string, done: (error: Error | undefined, port: number) => void) => void;
  /** Tells of every connection that the machine accepted. */
  readonly onConnection: (take: (accept: () => Duplex, reject: () => void) => void) => void;
}

/** A loaded guest without KVM takes seconds to answer anything. */
const ANSWER_MS = 30_000;
/** Between two programs of this host's loopback. */
const CONNECT_MS = 10_000;

/**
 * Gives a machine a port on its own 127.0.0.1 that leads to one on this host's, for as long as the connection lasts.
 *
 * @returns the machine's port.
 * @throws {KvciError} `command-failed` when its SSH server forwards nothing.
 */
export async function forwardToHost(client: ForwardingClient, hostPort: number): Promise<number> {
  client.onConnection((accept, reject) => {
    bridge(hostPort, accept, reject);
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const timer = setTimeout(() => {
    reject(noForwarding("it did not answer"));
  }, ANSWER_MS);
  client.listen("127.0.0.1", (error, port) => {
    if (error) reject(noForwarding(error.message, error));
    else resolve(port);
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** Opened on this side first, so that the machine's side is refused where nobody listens. */
function bridge(hostPort: number, accept: () => Duplex, reject: () => void): void {
  const socket = connect({ host: "127.0.0.1", port: hostPort, timeout: CONNECT_MS });
  const giveUp = (): void => {
    socket.destroy();
    reject();
  };
  socket.once("timeout", giveUp);
  socket.once("error", giveUp);
  socket.once("connect", () => {
    socket.setTimeout(0);
    socket.removeListener("timeout", giveUp);
    socket.removeListener("error", giveUp);
    const channel = accept();
    // An end, unlike an error, travels through the pipes behind the last bytes.
    socket.on("error", () => channel.destroy());
    channel.on("error", () => socket.destroy());
    channel.once("close", () => socket.destroy());
    socket.pipe(channel).pipe(socket);
  });
}

function noForwarding(reason: string, cause?: unknown): KvciError {
  return new KvciError(
    "command-failed",
    `the guest's SSH server forwards no port (${reason}), so packages cannot come to it by kvci-build`,
    {
      hint: "Take AllowTcpForwarding no and DisableForwarding yes out of the image's sshd configuration; a template can forbid both for the finished node at first boot.",
      cause,
    },
  );
}
