import { setTimeout as delay } from "node:timers/promises";
import ssh2, { type ClientChannel, type ConnectConfig } from "ssh2";
import { KvciError, messageOf } from "../core/error.ts";
import { exitStatus } from "./exit-status.ts";
import type { ShellOpener } from "./interactive-shell.ts";
import type { ExecOptions, ExecResult, Machine } from "./machine.ts";
import { forwardToHost } from "./remote-forward.ts";
import { remoteShell, type RemoteShell, type TerminalSize } from "./remote-shell.ts";
import { shellCommand } from "./shell-quote.ts";
import { Tail } from "./tail.ts";

// A CommonJS module that computes its exports: Node cannot see their names.
const { Client, utils } = ssh2;
type Client = ssh2.Client;

/** An ed25519 key pair in OpenSSH's formats. */
export interface KeyPair {
  readonly privateKey: string;
  /** One line, as in authorized_keys. */
  readonly publicKey: string;
}

export interface SshAddress {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly privateKey: string;
  /** The one host key that is accepted: `type base64`, as in known_hosts. */
  readonly hostKey: string;
}

/**
 * A key pair for one build. ssh2 (1.17) writes one of 256 key pairs so that nobody can read them, itself included, so each is
 * read before it is given away.
 *
 * @param comment ends the public line, so that a forgotten key can be told.
 */
export function generateKeyPair(comment: string): KeyPair {
  for (;;) {
    const { private: privateKey, public: publicKey } = utils.generateKeyPairSync("ed25519", { comment });
    const isReadable = [privateKey, publicKey].every((key) => !(utils.parseKey(key) instanceof Error));
    if (isReadable) return { privateKey, publicKey };
  }
}

/** A machine over one connection, which can also give a person a shell in it, and the machine a way to a port of this host. */
export interface Connection extends Machine, ShellOpener, AsyncDisposable {
  /** Gives the machine a port on its 127.0.0.1 that leads to one on ours: see `forwardToHost`. */
  forward(hostPort: number): Promise<number>;
}

/**
 * Opens one connection, which every later command shares.
 *
 * @param options.timeoutMs milliseconds for TCP connection, key exchange and authentication together.
 * @throws {KvciError} `machine-lost` when nothing answers, the host key is another one, or the key is refused.
 */
export async function connect(
  address: SshAddress,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Connection> {
  const client = new Client();
  const [type = "", blob = ""] = address.hostKey.split(" ");
  const expected = Buffer.from(blob, "base64");
  const seen = { otherKey: false };
  const config: ConnectConfig = {
    host: address.host,
    port: address.port,
    username: address.username,
    privateKey: address.privateKey,
    readyTimeout: options.timeoutMs,
    algorithms: { serverHostKey: [type as "ssh-ed25519"] },
    hostVerifier: (key: Buffer) => {
      seen.otherKey = !key.equals(expected);
      return !seen.otherKey;
    },
    // A guest under TCG may stall for seconds; a minute of silence is a dead connection.
    keepaliveInterval: 10_000,
    keepaliveCountMax: 6,
  };
  try {
    await ready(client, config, options.signal);
  } catch (error) {
    // Its end is one more error to ssh2, and one that nobody listens to ends the process.
    client.on("error", () => undefined);
    client.destroy();
    if (options.signal.aborted) throw interrupted();
    throw lost(
      seen.otherKey ? "the guest showed a host key that is not the one this build gave it" : messageOf(error),
      error,
    );
  }
  return new SshMachine(client);
}

async function ready(client: Client, config: ConnectConfig, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      reject(interrupted());
    };
    signal.addEventListener("abort", abort, { once: true });
    const settle = (finish: () => void) => (): void => {
      signal.removeEventListener("abort", abort);
      finish();
    };
    client.once("ready", settle(resolve));
    client.once("error", (error) => {
      settle(() => {
        reject(error);
      })();
    });
    client.once(
      "close",
      settle(() => {
        reject(lost("the connection was closed before it was ready"));
      }),
    );
    if (signal.aborted) abort();
    else client.connect(config);
  });
}

class SshMachine implements Connection {
  readonly #client: Client;
  readonly #closed = Promise.withResolvers<never>();
  #cause: unknown;

  constructor(client: Client) {
    this.#client = client;
    this.#closed.promise.catch(() => undefined);
    client.on("error", (error) => (this.#cause = error));
    client.once("close", () => {
      this.#closed.reject(lost("the connection to the guest broke", this.#cause));
    });
  }

  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    if (options.signal?.aborted) throw interrupted();
    const run = await Promise.race([this.#start(shellCommand(argv), options), this.#closed.promise]);
    try {
      return await Promise.race([run.result(argv), this.#closed.promise]);
    } finally {
      run.stop();
    }
  }

  /** @throws {KvciError} `machine-lost` when the guest opens none */
  async openShell({ type, columns, rows }: TerminalSize & { readonly type: string }): Promise<RemoteShell> {
    const opened = new Promise<RemoteShell>((resolve, reject) => {
      this.#client.shell({ term: type, cols: columns, rows, width: 0, height: 0 }, (error, channel) => {
        if (error) reject(lost(`the guest opened no shell: ${error.message}`, error));
        else resolve(remoteShell(channel, exitStatus));
      });
    });
    return Promise.race([opened, this.#closed.promise]);
  }

  forward(hostPort: number): Promise<number> {
    const opened = forwardToHost(
      {
        listen: (address, done) => this.#client.forwardIn(address, 0, done),
        onConnection: (take) => this.#client.on("tcp connection", (_from, accept, reject) => void take(accept, reject)),
      },
      hostPort,
    );
    return Promise.race([opened, this.#closed.promise]);
  }

  /** Listens before it returns: a short command's exit can arrive together with the news that its channel is open. */
  #start(command: string, options: ExecOptions): Promise<RemoteCommand> {
    return new Promise((resolve, reject) => {
      this.#client.exec(command, (error, channel) => {
        if (error) reject(lost(`the guest did not take a command: ${error.message}`, error));
        else resolve(new RemoteCommand(channel, options));
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#closed.promise.catch(() => undefined);
    this.#client.end();
    await Promise.race([closed, delay(1_000)]);
    this.#client.destroy();
  }
}

/** One command on its channel: its streams, deadline and abort. */
class RemoteCommand {
  readonly #channel: ClientChannel;
  readonly #options: ExecOptions;
  readonly #exit = Promise.withResolvers<number>();
  readonly #stdout = new Tail(64 * 1024);
  readonly #stderr = new Tail(64 * 1024);
  readonly #timer: NodeJS.Timeout | undefined;
  #failure: KvciError | undefined;

  constructor(channel: ClientChannel, options: ExecOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#listen(channel, "stdout", this.#stdout);
    this.#listen(channel.stderr, "stderr", this.#stderr);
    let status = 255;
    channel.on("exit", (code: number | null, name?: string) => {
      status = exitStatus(code, name);
    });
    channel.once("close", () => {
      this.#exit.resolve(status);
    });
    options.signal?.addEventListener("abort", this.#abort, { once: true });
    if (options.signal?.aborted) this.#abort();
    if (options.timeoutMs !== undefined) this.#timer = setTimeout(this.#expire, options.timeoutMs);
    this.#feed();
  }

  async result(argv: readonly string[]): Promise<ExecResult> {
    const exitCode = await this.#exit.promise;
    if (this.#failure?.code === "command-timeout") {
      throw new KvciError(
        "command-timeout",
        `${argv.join(" ").slice(0, 120)} did not end within ${String((this.#options.timeoutMs ?? 0) / 1000)} s`,
        {
          hint: this.#failure.hint,
        },
      );
    }
    if (this.#failure) throw this.#failure;
    return { exitCode, stdout: this.#stdout.text, stderr: this.#stderr.text };
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#abort);
  }

  #listen(stream: NodeJS.ReadableStream, name: "stdout" | "stderr", tail: Tail): void {
    const decoder = new TextDecoder();
    stream.on("data", (chunk: Buffer) => {
      const text = decoder.decode(chunk, { stream: true });
      tail.push(text);
      this.#options.onOutput?.(name, text);
    });
  }

  #feed(): void {
    const { stdin } = this.#options;
    // A command that ends before it read everything closes the channel under us: its exit status tells the story.
    this.#channel.on("error", () => undefined);
    if (stdin === undefined || typeof stdin === "string") {
      this.#channel.end(stdin ?? "");
      return;
    }
    stdin.once("error", (error) => {
      this.#end(
        new KvciError("command-failed", `reading what to send failed: ${error.message}`, {
          hint: "See the cause.",
          cause: error,
        }),
      );
    });
    stdin.pipe(this.#channel);
  }

  readonly #abort = (): void => {
    this.#end(interrupted());
  };

  readonly #expire = (): void => {
    this.#end(
      new KvciError("command-timeout", "", {
        hint: "Give the command a longer timeoutMs, or find out what it waits for.",
      }),
    );
  };

  /** SIGTERM, and five seconds later the end of the channel, whatever the command does. */
  #end(failure: KvciError): void {
    this.#failure ??= failure;
    this.#channel.signal("TERM");
    const patience = failure.code === "interrupted" ? 500 : 5_000;
    setTimeout(() => {
      this.#channel.destroy();
      this.#exit.resolve(255);
    }, patience).unref();
  }
}

function lost(reason: string, cause?: unknown): KvciError {
  return new KvciError("machine-lost", reason, { hint: "See the serial console log for what the guest said.", cause });
}

function interrupted(): KvciError {
  return new KvciError("interrupted", "stopped while talking to the guest", { hint: "Run the same command again." });
}
