import { once } from "node:events";
import type { AddressInfo } from "node:net";
import ssh2, { type Connection } from "ssh2";

// A CommonJS package whose names Node cannot tell before it has run.
const { utils } = ssh2;

export interface SshStandIn extends AsyncDisposable {
  readonly port: number;
}

/**
 * An SSH server in this process: it lets root in with one key, and answers a command with `ran: <command>`.
 *
 * @param keys.hostKey private, in OpenSSH's format.
 * @param keys.clientKey one line, as in authorized_keys.
 */
export async function startSshServer(keys: {
  readonly hostKey: string;
  readonly clientKey: string;
}): Promise<SshStandIn> {
  const clientKey = utils.parseKey(keys.clientKey);
  if (clientKey instanceof Error) throw clientKey;
  const wanted = clientKey.getPublicSSH();
  const clients = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [keys.hostKey] }, (client) => {
    clients.add(client);
    client.on("error", () => undefined);
    client.on("authentication", (context) => {
      if (context.method === "publickey" && context.username === "root" && context.key.data.equals(wanted)) {
        context.accept();
      } else context.reject(["publickey"]);
    });
    client.on("session", (accept) => {
      accept().on("exec", (acceptCommand, _reject, { command }) => {
        const channel = acceptCommand();
        // A real command does not end in the very packet that says it has started; TCP joins what follows within 40 ms.
        setTimeout(() => {
          channel.write(`ran: ${command}`);
          channel.exit(0);
          channel.end();
        }, 80);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => {
      server.close();
      for (const client of clients) client.end();
      return Promise.resolve();
    },
  };
}
