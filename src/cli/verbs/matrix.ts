import type { BumpFlags } from "../commands/bump.ts";
import type { MatrixFlags } from "../commands/matrix.ts";
import { archesOption } from "./options.ts";
import type { AddVerb } from "./verb.ts";

export const addMatrix: AddVerb = (program, app, act) => {
  program
    .command("matrix")
    .argument("[file|name...]", "templates, by file, name or pattern (default: all in templates/)")
    .description("list the plan of every template and architecture, and what changed")
    .addOption(archesOption("architectures (default: all that the templates have)"))
    .option("--env <file|name>", "environment: mirrors and limits", "local")
    .option("--since <revision>", "compare with the templates of a git revision")
    .option("--published <place...>", "compare with builds, lists of `matrix --json`, OCI layouts, image references")
    .option("--changed", "only what changed")
    .option("--exit-code", "exit with status 2 when something changed")
    .option("--json", '{"include": […]}, as CI systems fan it out')
    .action((names: string[], options: MatrixFlags) =>
      act(async () => (await import("../commands/matrix.ts")).matrix(app, names, options)),
    );
};

export const addBump: AddVerb = (program, app, act) => {
  program
    .command("bump")
    .argument("[file|name...]", "templates, by file, name or pattern (default: all in templates/)")
    .description("find newer versions, rewrite data and lock, and print the changelog of a pull request")
    .option("--kubernetes", "Kubernetes releases, into templates/kubernetes/versions.json")
    .option("--base", "cloud images and packages, into the lock")
    .option("--images", "container images and manifests, into the lock")
    .option("--dry-run", "print the changelog, write nothing")
    .option("--env <file|name>", "environment: mirrors, proxies, registries", "local")
    .option("-v, --verbose", "print everything that commands print")
    .option("--json", "what changed as JSON on stdout, events as JSON lines on stderr")
    .addHelpText("after", "\nWithout --kubernetes, --base and --images it does all three.")
    .action((names: string[], options: BumpFlags) =>
      act(async () => (await import("../commands/bump.ts")).bump(app, names, options)),
    );
};
