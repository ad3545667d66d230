import { ARCHES, type Arch } from "../core/platform.ts";
import type { ShownCommand } from "../journal/failure.ts";
import { shellCommand } from "../machine/shell-quote.ts";
import { preferredArch } from "./preferred-arch.ts";

/** What is known of a failure when its commands are printed. */
export interface FailureState {
  /** Arguments of this very command. */
  readonly argv: readonly string[];
  readonly template: string;
  readonly arch: Arch;
  /** Whether its guest can be gone into. */
  readonly kept: boolean;
  /** Absolute path of what to read first. */
  readonly log: string | undefined;
}

/** The commands for what can be done about a failed build, ready to be pasted into a shell. */
export function failureCommands({ argv, template, arch, kept, log }: FailureState): ShownCommand[] {
  const isHosts = preferredArch(ARCHES, process.arch) === arch;
  const shell = ["kvci-build", "shell", template, ...(isHosts ? [] : ["--arch", arch])];
  const commands: ShownCommand[] = [{ what: "resume", command: shellCommand(["kvci-build", ...argv]) }];
  if (kept) commands.push({ what: "shell", command: shellCommand(shell) });
  if (log !== undefined) commands.push({ what: "log", command: shellCommand(["less", log]) });
  return commands;
}
