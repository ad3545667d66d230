import { Readable } from "node:stream";
import type { ExecOptions, ExecResult, Guest } from "../../src/machine/machine.ts";

interface Call {
  readonly argv: readonly string[];
  readonly stdin: string;
}

/**
 * A machine that remembers what it was asked. A step's script is "run" by taking its markers apart: every op succeeds with
 * the output given for it, until one that was told to fail.
 */
export class FakeMachine implements Guest {
  readonly ran: Call[] = [];
  readonly #failures: { readonly text: string; readonly status: number }[] = [];
  #output = "";
  reboots = 0;
  shutdowns = 0;

  /** Ops whose script lines hold `text` end with `status`. */
  failing(text: string, status: number): this {
    this.#failures.push({ text, status });
    return this;
  }

  /** Every op prints this. */
  printing(output: string): this {
    this.#output = output;
    return this;
  }

  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const stdin = await textOf(options.stdin);
    this.ran.push({ argv, stdin });
    const exitCode = stdin.includes("mark begin") ? this.#runScript(stdin, options) : this.#statusOf(argv.join(" "));
    return { exitCode, stdout: "", stderr: "" };
  }

  reboot(): Promise<void> {
    this.reboots++;
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    this.shutdowns++;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #runScript(script: string, { onOutput = () => undefined }: ExecOptions): number {
    const nonce = found(/\\036(\S+) %s/, script);
    const bodies = [...script.matchAll(/^mark begin (?<index>\d+) 0\n(?<body>[\s\S]*?)\nstatus=/gm)];
    for (const { groups = {} } of bodies) {
      const mark = `\u001e${nonce}`;
      onOutput("stdout", `${mark} begin ${String(groups["index"])} 0\n`);
      onOutput("stderr", this.#output);
      const status = this.#statusOf(groups["body"] ?? "");
      onOutput("stdout", `${mark} end ${String(groups["index"])} ${String(status)}\n`);
      if (status !== 0) return 1;
    }
    return 0;
  }

  #statusOf(text: string): number {
    return this.#failures.find((failure) => text.includes(failure.text))?.status ?? 0;
  }
}

function found(pattern: RegExp, text: string): string {
  return pattern.exec(text)?.[1] ?? "";
}

async function textOf(stdin: string | Readable | undefined): Promise<string> {
  if (!(stdin instanceof Readable)) return stdin ?? "";
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString("latin1");
}
