import type { InspectFlags, ShellFlags, TemplateFlags, VerifyFlags } from "../flags.ts";
import { ON_ERROR } from "../on-error-mode.ts";
import { archesOption, archOption, jobsOption, mirrorOption } from "./options.ts";
import { Option, type AddVerb } from "./verb.ts";

export const addTemplate: AddVerb = (program, app, act) => {
  program
    .command("template")
    .argument("<file|name...>", "template files, names of those in templates/, or patterns such as 'k8s-1.3*'")
    .description("build templates: a bootable qcow2 disk and an OCI image of each, verified")
    .addOption(archesOption("architectures of the guests (default: the host's where the template has it)"))
    .option("--env <file|name>", "environment: mirrors and limits", "local")
    .addOption(mirrorOption())
    .option("--plan", "print the plan and its keys, build nothing")
    .option("--out <folder>", "where builds are put", "out")
    .option("--locked", "packages only as the lock has them (default: what the environment says)")
    .option("--no-locked", "packages that are not in the lock as the repositories offer them")
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
      act(async () => (await import("../commands/template.ts")).template(app, names, options)),
    );
};

export const addShell: AddVerb = (program, app, act) => {
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
      act(async () => (await import("../commands/shell.ts")).shell(app, name, options)),
    );
};

export const addVerify: AddVerb = (program, app, act) => {
  program
    .command("verify")
    .argument("<build>", "folder of a build, for example out/quickstart/amd64")
    .description("boot a finished disk and check it; the result is recorded beside it")
    .option("--on <place>", "where it is booted: qemu, aws or gcp", "qemu")
    .option("--suite <name>", "what is checked: boot or node", "boot")
    .option("--env <file|name>", "with --on aws or gcp: the environment whose targets are meant", "local")
    .option("--target <name>", "which of them, where there are several of the cloud")
    .option("--release <version>", "as it was published (default: date and plan of the build)")
    .option("--image <id>", "AMI or self-link (default: that of the build's very content at the target)")
    .option("--junit <file>", "write the findings as JUnit XML, too")
    .option("-v, --verbose", "print everything that commands print")
    .option("--json", "result as JSON on stdout, events as JSON lines on stderr")
    .addHelpText("after", `\n${VERIFY_EXAMPLES}`)
    .action((build: string, options: VerifyFlags) =>
      act(async () => (await import("../commands/verify.ts")).verify(app, build, options)),
    );
};

const VERIFY_EXAMPLES = `In a cloud, the published image is booted with a key and rules of its own, which are removed again whatever happens.

Examples:
  kvci-build verify out/quickstart/amd64
  kvci-build verify out/k8s-1.34/amd64 --suite node --junit node.xml
  kvci-build verify out/k8s-1.34/amd64 --on aws --env release.ts --release 1.34.2`;

export const addInspect: AddVerb = (program, app, act) => {
  program
    .command("inspect")
    .argument("<path>", "folder of a build, or of an OCI layout")
    .description("show what a build or image is made of")
    .option("--verify", "read every blob and compare its digest")
    .option("--extract <folder>", "unpack the disk of an image into a new folder and check its chain, too")
    .option("--ref <name>", "with --extract: which image, when there are several")
    .option("--json", "as JSON")
    .action((path: string, options: InspectFlags) =>
      act(async () => (await import("../commands/inspect.ts")).inspect(app, path, options)),
    );
};
