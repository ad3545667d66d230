import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { z } from "zod";
import { KvciError } from "../core/error.ts";
import { jsonOf } from "../core/parse-json.ts";

const message = z.union([
  z.object({ QMP: z.object({}) }),
  z.object({ return: z.unknown(), id: z.int() }),
  z.object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.int() }),
  z.object({ event: z.string(), data: z.record(z.string(), z.unknown()).default({}) }),
]);

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: KvciError) => void;
}

/** No QMP command used here takes longer unless QEMU hangs. */
const ANSWER_TIMEOUT_MS = 60_000;

/**
 * The QEMU Machine Protocol over a pair of streams.
 * See https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
export class Qmp {
  readonly #output: Writable;
  readonly #waiting = new Map<number, Waiting>();
  readonly #greeting = Promise.withResolvers<undefined>();
  readonly #listeners = new Set<(event: string, data: Readonly<Record<string, unknown>>) => void>();
  #next = 1;
  /** Set once QEMU has closed the monitor: nothing is answered any more. */
  #closed: KvciError | undefined;

  constructor(input: Readable, output: Writable) {
    this.#output = output;
    // A QEMU that is gone closes the pipe under a write; its end is reported by whoever watches the process.
    output.on("error", () => undefined);
    this.#greeting.promise.catch(() => undefined);
    const lines = createInterface({ input });
    lines.on("line", (line) => {
      this.#take(line);
    });
    lines.once("close", () => {
      this.#end();
    });
  }

  /** Waits for the greeting and leaves negotiation mode. */
  async negotiate(): Promise<void> {
    await this.#greeting.promise;
    await this.execute("qmp_capabilities");
  }

  /** @throws {KvciError} `guest-died` when QEMU refuses the command, is gone or does not answer within a minute. */
  async execute(command: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#closed) throw this.#closed;
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    const timer = setTimeout(() => {
      reject(failure(`QEMU did not answer ${command} within ${String(ANSWER_TIMEOUT_MS / 1000)} s`));
    }, ANSWER_TIMEOUT_MS);
    this.#output.write(
      `${JSON.stringify({ execute: command, ...(parameters ? { arguments: parameters } : {}), id })}\n`,
    );
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  onEvent(listener: (event: string, data: Readonly<Record<string, unknown>>) => void): void {
    this.#listeners.add(listener);
  }

  #take(line: string): void {
    const parsed = message.safeParse(jsonOf(line));
    if (!parsed.success) return;
    const { data } = parsed;
    if ("QMP" in data) this.#greeting.resolve(undefined);
    else if ("event" in data) for (const listener of this.#listeners) listener(data.event, data.data);
    else if ("error" in data) this.#waiting.get(data.id)?.reject(failure(`QEMU refused: ${data.error.desc}`));
    else this.#waiting.get(data.id)?.resolve(data.return);
  }

  #end(): void {
    const error = failure("QEMU closed its monitor");
    this.#closed = error;
    this.#greeting.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}

function failure(text: string): KvciError {
  return new KvciError("guest-died", text, {
    hint: "See QEMU's own messages in the journal and the serial console log.",
  });
}
