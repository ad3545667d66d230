import { ERRORS } from "../../core/error.ts";
import type { App } from "../app.ts";
import type { PublishFlags, PublishGcFlags, PublishRollbackFlags, PublishStatusFlags } from "../publish-options.ts";
import { Option, type Act, type AddVerb, type Command } from "./verb.ts";

export const addPublish: AddVerb = (program, app, act) => {
  const publish = program
    .command("publish")
    .argument("[build...]", "folders of builds (default: all below --out)")
    .description("bring verified builds to registries, AWS and GCP: planned, resumable, public last")
    // Options behind a sub-command are its own; else `publish gc --env x` would give them to `publish`.
    .enablePositionalOptions()
    .addOption(targetOption("a target of the environment, by name or kind; repeatable"))
    .option("--env <file|name>", "environment with the targets (publishTo)", "local")
    .option("--out <folder>", "where builds are, and published-images.json is put", "out")
    .option("--release <version>", "version of the release (default: date and plan of each build)")
    .option("--plan", "print what would be done and what it takes, change nothing")
    .option("--apply <file>", "do what a kept plan says (--plan --json > file), if it still fits")
    .option("--resume", "with --apply: do what is left of it; else every run goes on where one stopped")
    .option("--unverified", "publish without a verification result; never to where everybody sees it")
    .addOption(new Option("--smoke", "boot images in their cloud first (default: where others get to see them)"))
    .addOption(new Option("--no-smoke", "do not; a public target is refused then"))
    .option("--yes", "do not ask")
    .option("-v, --verbose", "print everything that programs print")
    .option("--json", "result as JSON on stdout, events as JSON lines on stderr")
    .addHelpText("after", `\n${EXAMPLES}\n\n${exitStatuses()}`)
    .action((builds: string[], options: PublishFlags) =>
      act(async () => (await import("../commands/publish.ts")).publish(app, builds, options)),
    );
  addStatus(publish, app, act);
  addRollback(publish, app, act);
  addGc(publish, app, act);
};

function addStatus(publish: Command, app: App, act: Act): void {
  publish
    .command("status")
    .argument("[run]", "one run, step by step (default: all, one a line)")
    .description("what was published from this store, by its ledgers")
    .option("--env <file|name>", "environment whose store is meant", "local")
    .option("--json", "as JSON")
    .hook("preAction", assertOwnOptions)
    .action((run: string | undefined, options: PublishStatusFlags) =>
      act(async () => (await import("../commands/publish-status.ts")).publishStatus(app, run, options)),
    );
}

function addRollback(publish: Command, app: App, act: Act): void {
  publish
    .command("rollback")
    .argument("<run>", "as `publish status` names it")
    .description("take back what a run did, last first: pointers, permissions, then what it made")
    .option("--env <file|name>", "environment with the targets of the run", "local")
    .option("--out <folder>", "where builds and published-images.json are", "out")
    .option("--yes", "do not ask")
    .option("-v, --verbose", "print everything that programs print")
    .option("--json", "result as JSON on stdout, events as JSON lines on stderr")
    .hook("preAction", assertOwnOptions)
    .action((run: string, options: PublishRollbackFlags) =>
      act(async () => (await import("../commands/publish-rollback.ts")).publishRollback(app, run, options)),
    );
}

function addGc(publish: Command, app: App, act: Act): void {
  publish
    .command("gc")
    .description(
      "list what retention does not keep at clouds (exit status 2); registries collect what no tag leads to themselves",
    )
    .addOption(targetOption("a target of the environment, by name or kind; repeatable"))
    .option("--env <file|name>", "environment with the targets", "local")
    .option("--yes", "collect it: what is superseded goes, some of it in steps")
    .option("-v, --verbose", "print everything that programs print")
    .option("--json", "as JSON")
    .hook("preAction", assertOwnOptions)
    .action((options: PublishGcFlags) =>
      act(async () => (await import("../commands/publish-gc.ts")).publishGc(app, options)),
    );
}

function targetOption(description: string): Option {
  return new Option("--target <name>", description)
    .default([], "all")
    .argParser((value: string, before: readonly string[]) => [...before, ...value.split(",")]);
}

/** `publish --env x gc` would look at another environment than the one that was named. */
function assertOwnOptions(command: Command): void {
  const { parent } = command;
  const given = parent?.options.find((option) => parent.getOptionValueSource(option.attributeName()) === "cli");
  if (given) command.error(`error: write ${given.long ?? given.flags} behind "${command.name()}"`);
}

const EXAMPLES = `Examples:
  kvci-build publish --env release.ts --plan                   what would be done everywhere, and what it takes
  kvci-build publish out/k8s-1.34/amd64 --target quay --yes    one build to one target
  kvci-build publish --env release.ts --plan --json > plan.json
  kvci-build publish --env release.ts --apply plan.json        exactly that, or nothing
  kvci-build publish status                                    runs, and which of them are unfinished
  kvci-build publish rollback 20261129T201500-a1b2c3           take one back
  kvci-build publish gc --env release.ts                       what could go at the clouds
A build's folder that is called like a sub-command is written ./status.`;

/** Straight from the table of errors: what a script may branch on. */
function exitStatuses(): string {
  const classes = Object.entries(ERRORS).filter(([code]) => code.startsWith("publish-"));
  const lines = classes.map(([, { exit, title }]) => ({ exit, title })).sort((a, b) => a.exit - b.exit);
  const own = lines.map(({ exit, title }) => `  ${String(exit).padStart(3)}  ${title}`);
  return [
    "Exit statuses:",
    "    0  done, or nothing to do",
    "    2  something would be done (--plan, gc)",
    ...own,
    "  130  stopped; the message has the command that goes on",
  ].join("\n");
}
