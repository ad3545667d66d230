import type { VirtualMachine } from "../../../src/qemu/boot-request.ts";

type Answer = (parameters: Readonly<Record<string, unknown>>) => unknown;

/** A machine without a machine: QMP commands are remembered, and answered by `answers`; an Error as answer is thrown. */
export class FakeVm implements VirtualMachine {
  readonly pid = 1;
  readonly sshPort = 22;
  readonly accelerator = { name: "tcg", reason: "a test" } as const;
  readonly restarted = false;
  readonly commands: [string, Readonly<Record<string, unknown>>][] = [];
  readonly serialLog: string;
  readonly died: Promise<never>;
  ended = false;
  readonly #answers: Readonly<Record<string, Answer>>;
  #die: (error: Error) => void = () => undefined;

  constructor(answers: Readonly<Record<string, Answer>> = {}, serialLog = "/nowhere/serial.log") {
    this.#answers = answers;
    this.serialLog = serialLog;
    this.died = new Promise((_resolve, reject) => {
      this.#die = reject;
    });
    this.died.catch(() => undefined);
  }

  /** Names of the commands, in order. */
  get names(): string[] {
    return this.commands.map(([name]) => name);
  }

  die(error: Error): void {
    this.ended = true;
    this.#die(error);
  }

  async qmp(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.commands.push([command, parameters]);
    await Promise.resolve();
    const answer = this.#answers[command]?.(parameters) ?? {};
    if (answer instanceof Error) throw answer;
    return answer;
  }

  waitForEnd(): Promise<boolean> {
    return Promise.resolve(this.ended);
  }

  expectEnd(): void {
    this.ended = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
