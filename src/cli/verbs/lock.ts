import type { LockFlags } from "../flags.ts";
import { mirrorOption } from "./options.ts";
import type { AddVerb } from "./verb.ts";

export const addLock: AddVerb = (program, app, act) => {
  program
    .command("lock")
    .argument("[file|name...]", "templates, by file, name or pattern (default: all in templates/)")
    .description(
      "resolve what floats (cloud images, packages, files, manifests, container images) into kvci-build.lock.json",
    )
    .option("--check", "resolve nothing: say what is missing or stale (exit status 2)")
    .option("--prune", "also remove entries that no template beside those given wants")
    .option(
      "--fetch <folder>",
      "resolve nothing: collect all that the lock names into a folder that a mirror can serve",
    )
    .option("--env <file|name>", "environment: mirrors, proxies, registries", "local")
    .addOption(mirrorOption())
    .option("-v, --verbose", "print everything that commands print")
    .option("--json", "what changed as JSON on stdout, events as JSON lines on stderr")
    .action((names: string[], options: LockFlags) =>
      act(async () => (await import("../commands/lock.ts")).lock(app, names, options)),
    );
};
