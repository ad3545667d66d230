import { rm } from "node:fs/promises";
import { basename } from "node:path";
import { collectEvidence, type Evidence } from "../../builders/qemu/failed-evidence.ts";
import { keepGuest } from "../../builders/qemu/failed-guest.ts";
import type { BootFailed } from "../../builders/qemu/failed-boot.ts";
import type { FailedStep, StepFailed } from "../../builders/qemu/failed-step.ts";
import { dropKeptGuest } from "../../builders/qemu/kept-guest.ts";
import { KvciError, messageOf } from "../core/error.ts";
import type { Journal } from "../core/journal.ts";
import type { Plan } from "../core/plan.ts";
import type { LogPlace, ShownCommand } from "../journal/failure.ts";
import { ask } from "./ask.ts";
import { guestSession, headline, LEAVING } from "./guest-session.ts";
import { failureCommands } from "./on-error-commands.ts";
import { actionFor, isAttended, type Answer, type OnError } from "./on-error-mode.ts";
import type { Session } from "./session.ts";

/** What is told of a failure beside its error. */
export interface FailureFacts {
  readonly logs: readonly LogPlace[];
  readonly commands: readonly ShownCommand[];
  readonly screen: string | undefined;
}

/** What one build does when something fails in its guest: evidence, the guest's fate, and what is told of both. */
export class FailureDesk {
  readonly #session: Session;
  readonly #mode: OnError;
  readonly #plan: Plan;
  #evidence: Evidence = {};
  #kept = false;

  constructor(session: Session, mode: OnError, plan: Plan) {
    this.#session = session;
    this.#mode = mode;
    this.#plan = plan;
  }

  readonly stepFailed: StepFailed = async (failed) => {
    const { context, machine, step, error, consoleFrom } = failed;
    const { vm } = machine.guest;
    await this.#collect({ step: step.name, vm, serialLog: context.request.serialLog, consoleFrom }, context.journal);
    const action = actionFor(this.#mode, this.#isAttended(), { alive: !vm.ended, code: error.code });
    const answer = action === "session" ? await this.#askInside(failed) : action;
    if (answer === "retry") {
      await this.#forget();
      return "retry";
    }
    if (answer === "clean" || answer === "give-up") await this.#dropGuest();
    else await this.#keepGuest(failed);
    return "end";
  };

  readonly bootFailed: BootFailed = async ({ journal, ...boot }) => {
    await this.#collect({ step: "boot", ...boot }, journal);
  };

  /** After a good build nothing of an earlier failure is of use: neither its guest, nor what a failed attempt of this one left. */
  async succeeded(): Promise<void> {
    await this.#forget();
    await this.#dropGuest().catch((error: unknown) => {
      this.#warn(`the one kept by an earlier build was not removed: ${messageOf(error)}`);
    });
  }

  facts(): FailureFacts {
    const { console, screen } = this.#evidence;
    const { template, disk } = this.#plan;
    const logs: LogPlace[] = [
      ...(console === undefined
        ? []
        : [{ what: basename(console, ".log").replace("console-", "console of "), path: console }]),
      ...(screen === undefined ? [] : [{ what: "screen", path: screen }]),
    ];
    const { argv } = this.#session.app;
    const state = { argv, template, arch: disk.platform.arch, kept: this.#kept, log: console };
    return { logs, screen, commands: failureCommands(state) };
  }

  async #collect(
    part: Omit<Parameters<typeof collectEvidence>[0], "journal" | "redact">,
    journal: Journal,
  ): Promise<void> {
    const { redactor } = this.#session;
    this.#evidence = await collectEvidence({ ...part, journal, redact: (text) => redactor.redact(text) });
  }

  #isAttended(): boolean {
    const { stdin, stderr, argv, env } = this.#session.app;
    return isAttended({
      stdinIsTerminal: stdin.isTTY,
      stderrIsTerminal: stderr.isTTY,
      json: argv.includes("--json"),
      ci: !["", "0", "false", undefined].includes(env["CI"]),
    });
  }

  /** A session in the guest, and what is to be done after it. A guest that cannot be gone into is kept. */
  #askInside({ machine, step, error, context }: FailedStep): Promise<Answer> {
    const { app, withScreen } = this.#session;
    return withScreen(async () => {
      const welcome = [
        `✖ ${headline(error)}`,
        `You are in the guest that step "${step.name}" left (${this.#plan.template}). What you do here gets into no layer.`,
        LEAVING,
      ];
      const { vm } = machine.guest;
      try {
        const { access } = machine.identity;
        await guestSession(app, { sshPort: vm.sshPort, access, welcome, output: app.stderr });
      } catch (failure) {
        if (context.request.signal.aborted) throw failure;
        app.stderr.write(`The session ended: ${messageOf(failure)}\n`);
      }
      const text = `[r]etry step "${step.name}" from the layer before it, [l]ater (keep the guest, end here), [g]ive up (remove the guest)? [l] `;
      const answers = { r: "retry", l: "later", g: "give-up" } as const;
      return ask(app, { text, answers, otherwise: "later" });
    });
  }

  async #keepGuest(failed: FailedStep): Promise<void> {
    try {
      this.#kept = (await keepGuest(failed)) !== undefined;
    } catch (error) {
      // The step's own error is what the user needs to see, unless they stopped this.
      if (failed.context.request.signal.aborted) throw error;
      this.#warn(`it could not be kept: ${error instanceof KvciError ? error.message : messageOf(error)}`);
    }
  }

  async #dropGuest(): Promise<void> {
    const { store, signal } = this.#session;
    const { template, disk } = this.#plan;
    await dropKeptGuest(store, { template, arch: disk.platform.arch }, { signal });
  }

  async #forget(): Promise<void> {
    for (const path of [this.#evidence.console, this.#evidence.screen]) {
      if (path !== undefined) await rm(path, { force: true });
    }
    this.#evidence = {};
  }

  #warn(detail: string): void {
    this.#session.journal.emit({ type: "warning", subject: "failed guest", detail });
  }
}
