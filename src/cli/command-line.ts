import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ERRORS } from "../core/error.ts";
import { ARCHES, type Arch } from "../core/platform.ts";
import type { App } from "./app.ts";
import type { DoctorFlags, InspectFlags, LockFlags, TemplateFlags, VerifyFlags } from "./flags.ts";
import { version } from "./version.ts";

/**
 * Runs what the arguments ask for.
 *
 * @returns the exit status: 0, 2 (a plan has changes), or that of the error's code in `src/core/error.ts`.
 */
export async function commandLine(app: App): Promise<number> {
  const outcome = { exit: 0 };
  const program = commandTree(app, outcome);
  try {
    await program.parseAsync([...app.argv], { from: "user" });
    return outcome.exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ERRORS.usage.exit;
    const { reportFailure } = await import("./report-failure.ts");
    return reportFailure(app, error);
  }
}

function commandTree(app: App, outcome: { exit: number }): Command {
  const program = new Command("kvci-build")
    .description("Builds, proves and publishes the images that Kubernetes and KubeVirt run on.")
    .version(version())
    .exitOverride()
    .showHelpAfterError("(kvci-build --help shows how it is used)")
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => void app.stdout.write(text),
      writeErr: (text) => void app.stderr.write(text),
    })
    .addHelpText("after", `\n${EXAMPLES}\n\n${EXIT_STATUSES}`);
  for (const add of VERBS) {
    add(program, app, async (run) => {
      outcome.exit = await run();
    });
  }
  return program;
}

/** Runs a verb and keeps its exit status. */
type Act = (run: () => Promise<number>) => Promise<void>;
/** Adds one verb to the command line. What it does is imported when it runs, so that `--help` answers at once. */
type AddVerb = (program: Command, app: App, act: Act) => void;

const addTemplate: AddVerb = (program, app, act) => {
  program
    .command("template")
    .argument("<file|name...>", "template file, or the name of one in templates/")
    .description("build templates: a bootable qcow2 disk and an OCI image of each, verified")
    .addOption(archOption())
    .option("--env <file|name>", "environment: mirrors and limits", "local")
    .option("--plan", "print the plan and its keys, build nothing")
    .option("--out <folder>", "where builds are put", "out")
    .option("--no-verify", "do not boot the finished disk to check it")
    .option("-v, --verbose", "print everything that commands print")
    .option("--json", "result as JSON on stdout, events as JSON lines on stderr")
    .action((names: string[], options: TemplateFlags) =>
      act(async () => (await import("./commands/template.ts")).template(app, names, options)),
    );
};

const addVerify: AddVerb = (program, app, act) => {
  program
    .command("verify")
    .argument("<build>", "folder of a build, for example out/quickstart/amd64")
    .description("boot a finished disk and check it; the result is recorded beside it")
    .option("--on <place>", "where it is booted: qemu", "qemu")
    .option("--suite <name>", "what is checked: boot", "boot")
    .option("--junit <file>", "write the findings as JUnit XML, too")
    .option("-v, --verbose", "print everything that commands print")
    .option("--json", "result as JSON on stdout, events as JSON lines on stderr")
    .action((build: string, options: VerifyFlags) =>
      act(async () => (await import("./commands/verify.ts")).verify(app, build, options)),
    );
};

const addLock: AddVerb = (program, app, act) => {
  program
    .command("lock")
    .argument("<file|name...>", "templates whose cloud images are resolved")
    .description("resolve cloud images to digests by the distribution's checksum file, into kvci-build.lock.json")
    .option("--env <file|name>", "environment: mirrors and limits", "local")
    .option("-v, --verbose", "print everything that commands print")
    .option("--json", "the lock's entries as JSON on stdout, events as JSON lines on stderr")
    .action((names: string[], options: LockFlags) =>
      act(async () => (await import("./commands/lock.ts")).lock(app, names, options)),
    );
};

const addInspect: AddVerb = (program, app, act) => {
  program
    .command("inspect")
    .argument("<path>", "folder of a build, or of an OCI layout")
    .description("show what a build or image is made of")
    .option("--verify", "read every blob and compare its digest")
    .option("--json", "as JSON")
    .action((path: string, options: InspectFlags) =>
      act(async () => (await import("./commands/inspect.ts")).inspect(app, path, options)),
    );
};

const addDoctor: AddVerb = (program, app, act) => {
  program
    .command("doctor")
    .description("show what of the host is needed and there: programs, memory, space, KVM")
    .addOption(archOption())
    .option("--fix", "install what is missing (as root)")
    .option("--json", "as JSON")
    .action((options: DoctorFlags) => act(async () => (await import("./commands/doctor.ts")).doctor(app, options)));
};

const VERBS: readonly AddVerb[] = [addTemplate, addVerify, addLock, addInspect, addDoctor];

function archOption(): Option {
  return new Option(
    "--arch <arch>",
    "architecture of the guest (default: the host's where the template has it)",
  ).argParser((value): Arch => {
    const arch = ARCHES.find((known) => known === value);
    if (arch) return arch;
    throw new InvalidArgumentError(`Use one of ${ARCHES.join(", ")}.`);
  });
}

const EXAMPLES = `Examples:
  kvci-build template quickstart.ts           build, wrap and verify a Debian node
  kvci-build template quickstart.ts --plan    what that would do, step by step
  kvci-build verify out/quickstart/amd64      boot the finished disk again and check it`;

const EXIT_STATUSES = `Exit statuses:
  0 done   1 a defect of kvci-build   3 wrong input   4 the host lacks something
  5 a download, digest or signature   6 the guest or a step   7 verification   130 interrupted`;
