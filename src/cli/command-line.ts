import { ERRORS } from "../core/error.ts";
import type { App } from "./app.ts";
import { addInspect, addShell, addTemplate, addVerify } from "./verbs/build.ts";
import { addCache, addDoctor } from "./verbs/host.ts";
import { addLock } from "./verbs/lock.ts";
import { addBump, addMatrix } from "./verbs/matrix.ts";
import { addPublish } from "./verbs/publish.ts";
import { Command, CommanderError, type AddVerb } from "./verbs/verb.ts";
import { version } from "./version.ts";

/** One file of `verbs/` adds each; what they do is in `commands/`. */
const VERBS: readonly AddVerb[] = [
  addTemplate,
  addShell,
  addVerify,
  addPublish,
  addMatrix,
  addLock,
  addBump,
  addInspect,
  addCache,
  addDoctor,
];

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
    // What stands behind a verb is the verb's; verbs with sub-commands of their own count on it.
    .enablePositionalOptions()
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

const EXAMPLES = `Examples:
  kvci-build template quickstart.ts           build, wrap and verify a Debian node
  kvci-build template quickstart.ts --plan    what that would do, step by step
  kvci-build matrix --since origin/main       what changed since then, template by template
  kvci-build verify out/quickstart/amd64      boot the finished disk again and check it
  kvci-build publish --env release.ts --plan  what publishing would do, and what it takes
  kvci-build cache why quickstart containerd  why a step would run again
  kvci-build cache gc --max-size 20G          make room in the store`;

const EXIT_STATUSES = `Exit statuses:
  0 done   1 a defect of kvci-build   2 something would be done   3 wrong input   4 the host lacks something
  5 a download, digest or signature   6 the guest or a step   7 verification   130 interrupted
  10 to 17 publishing: kvci-build publish --help`;
