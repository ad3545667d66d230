import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { withDisposal } from "../../core/disposal.ts";
import type { Environment } from "../../core/environment.ts";
import { KvciError } from "../../core/error.ts";
import { lockChanges } from "../../lock/lock-changes.ts";
import type { App } from "../app.ts";
import { renderChangelog, type Changelog } from "../bump-changelog.ts";
import { bumpTemplates, type BumpRequest } from "../bump-run.ts";
import { openEnvironment } from "../environment-named.ts";
import { lockGroups, type LockGroup } from "../lock-templates.ts";
import { withSession, type Session } from "../session.ts";

export interface BumpFlags {
  readonly kubernetes?: true;
  readonly base?: true;
  readonly images?: true;
  readonly dryRun?: true;
  readonly env: string;
  readonly verbose?: true;
  readonly json?: true;
}

/**
 * `kvci-build bump`: finds newer versions, rewrites data, templates and lock when all of it could be resolved, and prints what
 * changed.
 *
 * @throws {KvciError} `download-failed` and its like naming the URL or entry; then nothing was written.
 */
export async function bump(given: App, names: readonly string[], flags: BumpFlags): Promise<number> {
  const { app, environment } = await openEnvironment(given, flags);
  const group = onlyGroup(await lockGroups(app, names));
  const session = {
    command: ["bump", ...names].join(" "),
    json: flags.json ?? false,
    verbose: flags.verbose ?? false,
    credentials: environment.credentials,
  };
  const request = { group, names, kinds: kindsOf(flags), needsTable: flags.kubernetes === true };
  const { changelog, files } = await withSession(app, session, (open) =>
    bumpFiles(request, { session: open, environment, dryRun: flags.dryRun ?? false }),
  );
  if (flags.json) {
    app.stdout.write(bumpJson(changelog, files));
    return 0;
  }
  app.stdout.write(renderChangelog(changelog));
  for (const file of files) app.stderr.write(`wrote ${relative(app.cwd, file)}\n`);
  return 0;
}

/** All of them, unless some are named. */
function kindsOf({ kubernetes, base, images }: BumpFlags): BumpRequest["kinds"] {
  const all = ![kubernetes, base, images].some(Boolean);
  return { kubernetes: all || kubernetes === true, base: all || base === true, images: all || images === true };
}

/** One kvci-build at a time changes a lock file. */
async function bumpFiles(
  request: Omit<BumpRequest, "folder">,
  {
    session,
    environment,
    dryRun,
  }: { readonly session: Session; readonly environment: Environment; readonly dryRun: boolean },
): Promise<{ readonly changelog: Changelog; readonly files: readonly string[] }> {
  const { store, journal, signal } = session;
  const { path } = request.group;
  const onWait = (holder: string): void => {
    journal.emit({ type: "warning", subject: path, detail: `waiting for ${holder}` });
  };
  return withDisposal(await store.lock(`lock-file-${path}`, { signal, onWait }), async () => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "kvci-bump-")));
    try {
      const { stage, changelog } = await bumpTemplates({ ...request, folder }, { session, environment });
      return { changelog, files: dryRun ? [] : await stage.commit() };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

function bumpJson({ before, after, versions, plans, newFiles }: Changelog, files: readonly string[]): string {
  return `${JSON.stringify({ versions, lock: lockChanges(before, after), plans, newFiles, written: files })}\n`;
}

function onlyGroup(groups: readonly LockGroup[]): LockGroup {
  const [group] = groups;
  if (group && groups.length === 1) return group;
  throw new KvciError("usage", "these templates have several lock files", {
    hint: "Name templates of one lock file at a time.",
    evidence: groups.map(({ path }) => path),
  });
}
