import { readLock } from "../base/lock-file.ts";
import { displayLine } from "../journal/text-width.ts";
import { cloudImageKey, type Lock } from "../core/lock.ts";
import { lockProblems, type LockProblem } from "../core/lock-resolver.ts";
import type { LockTarget } from "../lock/lock-targets.ts";
import type { App } from "./app.ts";
import { targetsOf, type LockGroup } from "./lock-templates.ts";
import { table } from "./table.ts";

interface FoundProblem extends LockProblem {
  readonly template: string;
  readonly arch: string;
}

/**
 * `kvci-build lock --check`: says what is missing or stale, packages included, and asks nobody.
 *
 * @returns 0, or 2 when there is something to resolve.
 */
export async function checkLocks(
  app: App,
  groups: readonly LockGroup[],
  { json }: { readonly json: boolean },
): Promise<number> {
  const checked: { path: string; problems: FoundProblem[] }[] = [];
  for (const group of groups) {
    const lock = await readLock(group.path);
    const templates = new Map(group.templates.map(({ template }) => [template.name, template]));
    const problems = targetsOf(group).flatMap((target) =>
      problemsOf(target, templates.get(target.template)?.steps ?? [], lock),
    );
    checked.push({ path: group.path, problems });
  }
  app.stdout.write(json ? `${JSON.stringify({ locks: checked })}\n` : checked.map(rendered).join(""));
  return checked.every(({ problems }) => problems.length === 0) ? 0 : 2;
}

function problemsOf(
  target: LockTarget,
  steps: LockGroup["templates"][number]["template"]["steps"],
  lock: Lock,
): FoundProblem[] {
  const { template, arch, cloudImage, platform } = target;
  const key = cloudImage && cloudImageKey(cloudImage, arch);
  const noImage: LockProblem[] =
    key === undefined || lock.cloudImages[key] ? [] : [{ what: "missing", entry: `cloud image ${key}` }];
  const problems = lockProblems({ template: { name: template, steps }, lock, locked: true }, platform);
  return [...noImage, ...problems].map((problem) => ({ ...problem, template, arch }));
}

function rendered({ path, problems }: { readonly path: string; readonly problems: readonly FoundProblem[] }): string {
  if (problems.length === 0) return `${displayLine(path)}\n  nothing is missing or stale\n`;
  const byEntry = Map.groupBy(problems, ({ what, entry }) => `${what} ${entry}`);
  const rows = [...byEntry.values()].map((group) => {
    const wanted = [...new Set(group.map(({ template, arch }) => `${template} ${arch}`))];
    const others = wanted.length > 1 ? ` and ${wanted.length - 1} more` : "";
    return [`  ${group[0]?.what ?? ""}`, displayLine(group[0]?.entry ?? ""), `for ${wanted[0] ?? ""}${others}`];
  });
  return `${[displayLine(path), ...table(["left", "left", "left"], rows)].join("\n")}\n`;
}
