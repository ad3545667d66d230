import assert from "node:assert/strict";
import { createServer, type AddressInfo, type Server } from "node:net";
import ssh2 from "ssh2";
import { Disposer } from "../../src/core/disposal.ts";
import { connect, generateKeyPair, type Connection } from "../../src/machine/ssh2-machine.ts";
import { ImageMirror } from "../fakes/image-mirror.ts";

const hostKey = generateKeyPair("host");
const clientKey = generateKeyPair("client");

async function listening(server: { listen: Server["listen"]; address: Server["address"] }): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** An SSH server that forwards ports as sshd does with AllowTcpForwarding, or refuses to. */
async function sshServer(allows: boolean, open: Disposer): Promise<number> {
  const server = new ssh2.Server({ hostKeys: [hostKey.privateKey] }, (client) => {
    const listeners: Server[] = [];
    client.on("error", () => undefined);
    client.on("authentication", (context) => context.accept());
    client.on("close", () => listeners.forEach((each) => each.close()));
    client.on("request", (...[accept, reject, name, info]) => {
      if (!allows || name !== "tcpip-forward") {
        reject?.();
        return;
      }
      const listener = createServer((socket) => {
        const to = (listener.address() as AddressInfo).port;
        client.forwardOut(info.bindAddr, to, "127.0.0.1", socket.remotePort ?? 0, (error, channel) => {
          if (error) {
            socket.destroy();
            return;
          }
          socket.on("error", () => channel.destroy());
          socket.pipe(channel).pipe(socket);
        });
      });
      listeners.push(listener);
      listener.listen(info.bindPort, info.bindAddr, () => accept?.((listener.address() as AddressInfo).port));
    });
  });
  const port = await listening(server);
  open.use({ [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())) });
  return port;
}

describe("a port of the host in a machine", () => {
  let open: Disposer;
  beforeEach(() => (open = new Disposer()));
  afterEach(() => open[Symbol.asyncDispose]());

  const machine = async (allows: boolean): Promise<Connection> => {
    const [type, blob] = hostKey.publicKey.split(" ");
    const port = await sshServer(allows, open);
    const key = { privateKey: clientKey.privateKey, hostKey: `${type ?? ""} ${blob ?? ""}` };
    const address = { host: "127.0.0.1", port, username: "root", ...key };
    const { signal } = new AbortController();
    return open.use(await connect(address, { timeoutMs: 10_000, signal }));
  };

  it("leads to a server on the host's loopback, for many at once, every byte of it", async () => {
    const content = Buffer.alloc(3 * 1024 * 1024, "0123456789");
    const site = open.use(await ImageMirror.start({ "/disk.img": content }));
    const port = await (await machine(true)).forward(Number(new URL(site.url()).port));
    const fetched = Array.from({ length: 8 }, async () =>
      Buffer.from(await (await fetch(`http://127.0.0.1:${port}/disk.img`)).arrayBuffer()),
    );
    for (const bytes of await Promise.all(fetched)) assert.ok(bytes.equals(content));
  });

  it("is refused where nobody listens on the host, and works for the next", async () => {
    const gone = await ImageMirror.start({});
    const hostPort = Number(new URL(gone.url()).port);
    await gone[Symbol.asyncDispose]();
    const port = await (await machine(true)).forward(hostPort);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
    const site = createServer((socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nhere"));
    await new Promise<void>((resolve) => site.listen(hostPort, "127.0.0.1", resolve));
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "here");
    site.close();
  });

  it("ends with its connection", async () => {
    const site = open.use(await ImageMirror.start({ "/disk.img": "x" }));
    const connection = await machine(true);
    const port = await connection.forward(Number(new URL(site.url()).port));
    await connection[Symbol.asyncDispose]();
    await assert.rejects(fetch(`http://127.0.0.1:${port}/disk.img`));
  });

  it("is an error that says what to do when the machine forwards nothing", async () => {
    await assert.rejects((await machine(false)).forward(1), {
      code: "command-failed",
      message: /forwards no port/,
      hint: /AllowTcpForwarding/,
    });
  });
});
