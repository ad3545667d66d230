import type { CacheGcFlags } from "../commands/cache-gc.ts";
import type { CacheLsFlags } from "../commands/cache-ls.ts";
import type { CacheWhyFlags } from "../commands/cache-why.ts";
import type { DoctorFlags } from "../flags.ts";
import { archOption } from "./options.ts";
import type { AddVerb } from "./verb.ts";

export const addDoctor: AddVerb = (program, app, act) => {
  program
    .command("doctor")
    .description("show what of the host is needed and there: programs, memory, space, KVM")
    .addOption(archOption())
    .option("--fix", "install what is missing (as root)")
    .option("--json", "as JSON")
    .action((options: DoctorFlags) => act(async () => (await import("../commands/doctor.ts")).doctor(app, options)));
};

export const addCache: AddVerb = (program, app, act) => {
  const cache = program.command("cache").description("look at the store, explain it, make room in it");
  cache
    .command("ls")
    .description("what the store holds: size, age, last use, what depends on it")
    .option("--json", "as JSON")
    .action((options: CacheLsFlags) =>
      act(async () => (await import("../commands/cache-ls.ts")).cacheLs(app, options)),
    );
  cache
    .command("why")
    .argument("<file|name>", "template")
    .argument("<step>", "one of its steps")
    .description("whether a step is cached, and if not, every input that changed (exit status 2)")
    .addOption(archOption())
    .option("--env <file|name>", "environment: mirrors and limits", "local")
    .option("--json", "as JSON")
    .action((template: string, step: string, options: CacheWhyFlags) =>
      act(async () => (await import("../commands/cache-why.ts")).cacheWhy(app, { template, step }, options)),
    );
  cache
    .command("gc")
    .description("remove what was used longest ago until the store is within a size; never what is in use")
    .requiredOption("--max-size <size>", "what may stay, for example 20G or 500M")
    .option("--dry-run", "say what would go, remove nothing")
    .option("--json", "as JSON")
    .action((options: CacheGcFlags) =>
      act(async () => (await import("../commands/cache-gc.ts")).cacheGc(app, options)),
    );
};
