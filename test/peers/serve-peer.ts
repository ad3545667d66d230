import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";

/** A server of other people, on loopback. */
export interface Peer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
}

const STARTING_MS = 30_000;

/**
 * Starts a server and waits until it says where it is, as `http://127.0.0.1:PORT` on standard output or error.
 *
 * @throws an error with all it said when it ends before, or says nothing for half a minute.
 */
export async function servePeer(argv: readonly [string, ...string[]]): Promise<Peer> {
  const [program, ...args] = argv;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  try {
    return { endpoint: await endpointOf(child), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function endpointOf(
  child: ChildProcess & { readonly stdout: NodeJS.ReadableStream; readonly stderr: NodeJS.ReadableStream },
): Promise<string> {
  const said: string[] = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it does not say where it is: ${said.join("\n")}`)), STARTING_MS);
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`it ended: ${said.join("\n")}`)));
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        if (said.length < 50) said.push(line);
        const found = /http:\/\/127\.0\.0\.1:[1-9]\d*/.exec(line)?.[0];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      });
    }
  });
}

/** A port that nobody has, for servers that cannot pick one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
