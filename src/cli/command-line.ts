import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ERRORS } from "../core/error.ts";
import { ARCHES, type Arch } from "../core/platform.ts";
import type { App } from "./app.ts";
import type { CacheGcFlags } from "./commands/cache-gc.ts";
import type { CacheLsFlags } from "./commands/cache-ls.ts";
import type { CacheWhyFlags } from "./commands/cache-why.ts";
import type { DoctorFlags, InspectFlags, LockFlags, ShellFlags, TemplateFlags, VerifyFlags } from "./flags.ts";
import { ON_ERROR } from "./on-error-mode.ts";
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
    .option("--no-cache", "run every step, whatever the store has")
    .option("--no-warm", "boot machines instead of restoring their memory, and keep none")
    .addOption(
      new Option("--on-error <mode>", "when a step fails: keep its guest, open a shell in it, or clean up")
        .choices(ON_ERROR)
        .default("keep"),
    )
    .addOption(jobsOption())
    .option("-v, --verbose", "print everything that commands print")
    .option("--json", "result as JSON on stdout, events as JSON lines on stderr")
    .action((names: string[], options: TemplateFlags) =>
      act(async () => (await import("./commands/template.ts")).template(app, names, options)),
    );
};

const addShell: AddVerb = (program, app, act) => {
  program
    .command("shell")
    .argument("<template>", "template whose build failed: its name or file")
    .description("go into the guest that a failed step left; without a terminal, run the commands of stdin in it")
    .addOption(archOption())
    .addOption(
      new Option(
        "--then <what>",
        "afterwards: leave what is kept as it was, keep the guest as it is, or discard it",
      ).choices(["leave", "keep", "discard"]),
    )
    .action((name: string, options: ShellFlags) =>
      act(async () => (await import("./commands/shell.ts")).shell(app, name, options)),
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
    .option("--extract <folder>", "unpack the disk of an image into a new folder and check its chain, too")
    .option("--ref <name>", "with --extract: which image, when there are several")
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

const addCache: AddVerb = (program, app, act) => {
  const cache = program.command("cache").description("look at the store, explain it, make room in it");
  cache
    .command("ls")
    .description("what the store holds: size, age, last use, what depends on it")
    .option("--json", "as JSON")
    .action((options: CacheLsFlags) => act(async () => (await import("./commands/cache-ls.ts")).cacheLs(app, options)));
  cache
    .command("why")
    .argument("<file|name>", "template")
    .argument("<step>", "one of its steps")
    .description("whether a step is cached, and if not, every input that changed (exit status 2)")
    .addOption(archOption())
    .option("--env <file|name>", "environment: mirrors and limits", "local")
    .option("--json", "as JSON")
    .action((template: string, step: string, options: CacheWhyFlags) =>
      act(async () => (await import("./commands/cache-why.ts")).cacheWhy(app, { template, step }, options)),
    );
  cache
    .command("gc")
    .description("remove what was used longest ago until the store is within a size; never what is in use")
    .requiredOption("--max-size <size>", "what may stay, for example 20G or 500M")
    .option("--dry-run", "say what would go, remove nothing")
    .option("--json", "as JSON")
    .action((options: CacheGcFlags) => act(async () => (await import("./commands/cache-gc.ts")).cacheGc(app, options)));
};

const VERBS: readonly AddVerb[] = [addTemplate, addShell, addVerify, addLock, addInspect, addCache, addDoctor];

function jobsOption(): Option {
  return new Option(
    "-j, --jobs <number>",
    "builds at once, memory permitting (default: one for two processors)",
  ).argParser((value) => {
    const jobs = Number(value);
    if (Number.isInteger(jobs) && jobs > 0) return jobs;
    throw new InvalidArgumentError("Use a whole number above 0.");
  });
}

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
  kvci-build verify out/quickstart/amd64      boot the finished disk again and check it
  kvci-build cache why quickstart containerd  why a step would run again
  kvci-build cache gc --max-size 20G          make room in the store`;

const EXIT_STATUSES = `Exit statuses:
  0 done   1 a defect of kvci-build   2 something would be done   3 wrong input   4 the host lacks something
  5 a download, digest or signature   6 the guest or a step   7 verification   130 interrupted`;
