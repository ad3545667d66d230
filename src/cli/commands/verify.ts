import { resolve } from "node:path";
import { renderJUnit } from "../../../verify/junit.ts";
import { renderResult } from "../../../verify/render.ts";
import { suiteNamed } from "../../../verify/suites.ts";
import { programsFor } from "../../host/programs.ts";
import { readBuildRecord } from "../../pipeline/build-record.ts";
import { writeFileAtomic } from "../../store/atomic.ts";
import { writing } from "../../core/file-system-error.ts";
import type { App } from "../app.ts";
import type { VerifyFlags } from "../flags.ts";
import { ensure } from "../need-programs.ts";
import { withSession } from "../session.ts";
import { verifyBuild } from "../verify-build.ts";

/** `kvci-build verify`: boots a finished disk and checks it. */
export async function verify(app: App, build: string, flags: VerifyFlags): Promise<number> {
  const folder = resolve(app.cwd, build);
  const { platform, template } = await readBuildRecord(folder);
  suiteNamed(flags.suite);
  const session = { command: `verify ${build}`, json: flags.json ?? false, verbose: flags.verbose ?? false };
  const result = await withSession(app, session, async (open) => {
    await ensure(open, programsFor(["build", "firmware"], platform.arch));
    const name = `${template} ${platform.arch}`;
    return open.journal.span({ name, kind: "build" }, (journal) =>
      verifyBuild({ folder, suite: flags.suite, on: flags.on }, open, journal),
    );
  });
  const { junit } = flags;
  if (junit !== undefined) await writing(junit, () => writeFileAtomic(resolve(app.cwd, junit), renderJUnit(result)));
  app.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : `${renderResult(result)}\n`);
  return result.ok ? 0 : 7;
}
