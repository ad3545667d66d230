import { connect as connectTcp } from "node:net";

/**
 * Whether an SSH server greets on 127.0.0.1:port within `timeoutMs`. QEMU's user network takes connections from the first
 * moment on and leaves them hanging until the guest's network is up, so a connection alone says nothing.
 */
export function sshGreets(port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: "127.0.0.1", port });
    const finish = (greeted: boolean): void => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(timeoutMs, () => {
      finish(false);
    });
    socket.once("data", (chunk) => {
      finish(chunk.toString("latin1").startsWith("SSH-"));
    });
    socket.once("error", () => {
      finish(false);
    });
    socket.once("close", () => {
      finish(false);
    });
  });
}
