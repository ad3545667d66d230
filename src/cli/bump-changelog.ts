import { shortDigest } from "../core/digest.ts";
import type { Lock } from "../core/lock.ts";
import { lockChanges, type LockChange } from "../lock/lock-changes.ts";
import type { ReleaseChange } from "./bump-releases.ts";

/** A template on one architecture before and after; no plan where it could not be planned. */
export interface PlanChange {
  readonly template: string;
  readonly arch: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export interface Changelog {
  readonly before: Lock;
  readonly after: Lock;
  readonly versions: readonly ReleaseChange[];
  readonly plans: readonly PlanChange[];
  /** Template files that are new. */
  readonly newFiles: readonly string[];
}

/** What changed, as the Markdown of a pull request: the same input gives the same bytes. Ends in a newline. */
export function renderChangelog(changelog: Changelog): string {
  const { before, after, versions, plans, newFiles } = changelog;
  const changes = lockChanges(before, after);
  const sections = [
    versionSection(versions),
    kernelSection(changes),
    namedSection("Base images", changes, "cloud images"),
    packageSection(changes),
    imageSection(changes),
    namedSection("Manifests", changes, "manifests"),
    namedSection("Files", changes, "files"),
    lookSection(versions, newFiles),
  ].filter((lines) => lines.length > 0);
  const found = sections.length > 0 ? sections : [["Nothing newer was found."]];
  return `${[titleOf(versions, changes), ...found.map((lines) => lines.join("\n")), planSection(plans).join("\n")].join("\n\n")}\n`;
}

function titleOf(versions: readonly ReleaseChange[], changes: readonly LockChange[]): string {
  if (versions.length > 0) return `# Kubernetes ${versions.map(({ to }) => to.version).join(", ")}`;
  return changes.length > 0 ? "# Newer packages and images" : "# No news";
}

function versionSection(versions: readonly ReleaseChange[]): string[] {
  const rows = versions.flatMap(({ minor, from, to }) =>
    Object.entries(to).flatMap(([name, value]) => {
      const was: unknown = from && Object.entries(from).find(([key]) => key === name)?.[1];
      return was === value ? [] : [[minor, name, from ? String(was) : "new", value]];
    }),
  );
  return section("Versions", ["minor", "what", "old", "new"], rows);
}

/** A package by its name on a platform, however many steps install it. */
interface PackageChange {
  readonly platform: string;
  readonly name: string;
  readonly was: string;
  readonly is: string;
}

function packageChanges(changes: readonly LockChange[]): PackageChange[] {
  const all = of(changes, "packages").map(({ entry, was, is }): PackageChange => {
    const [platform = "", , name = ""] = entry.split(" ");
    return { platform, name, was: was ?? "new", is: is ?? "gone" };
  });
  const distinct = new Map(all.map((each) => [Object.values(each).join(" "), each]));
  return withoutMoves([...distinct.values()]);
}

/** What left one set and came into another with the same version is installed as before. */
function withoutMoves(all: readonly PackageChange[]): PackageChange[] {
  const moved = (a: PackageChange): boolean =>
    all.some(
      (b) => b.platform === a.platform && b.name === a.name && a.is === "gone" && b.was === "new" && a.was === b.is,
    );
  const back = (a: PackageChange): boolean =>
    all.some(
      (b) => b.platform === a.platform && b.name === a.name && a.was === "new" && b.is === "gone" && b.was === a.is,
    );
  return all.filter((each) => !moved(each) && !back(each));
}

const KERNEL = /^(?:linux-image|linux-(?:generic|virtual)|kernel(?:-core|-modules.*)?$)/;

function kernelSection(changes: readonly LockChange[]): string[] {
  const rows = packageChanges(changes).filter(({ name }) => KERNEL.test(name));
  return section("Kernel", ["platform", "package", "old", "new"], rows.map(packageRow));
}

function packageSection(changes: readonly LockChange[]): string[] {
  const rows = packageChanges(changes).filter(({ name }) => !KERNEL.test(name));
  return section("Packages", ["platform", "package", "old", "new"], rows.map(packageRow));
}

function packageRow({ platform, name, was, is }: PackageChange): string[] {
  return [platform, code(name), was, is];
}

function namedSection(title: string, changes: readonly LockChange[], name: LockChange["section"]): string[] {
  const rows = of(changes, name).map(({ entry, was, is }) => [code(entry), was ?? "new", is ?? "gone"]);
  return section(title, ["what", "old", "new"], rows);
}

/** An image whose tag is another is one line, not one that is gone and one that is new. */
function imageSection(changes: readonly LockChange[]): string[] {
  const all = of(changes, "container images");
  const rows = [...Map.groupBy(all, ({ entry }) => repositoryOf(entry))].flatMap(([repository, own]) => {
    const same = own.filter(({ was, is }) => was !== undefined && is !== undefined);
    const [gone, fresh] = [own.filter(({ is }) => is === undefined), own.filter(({ was }) => was === undefined)];
    const rebuilt = same.map(({ entry, was, is }) => [code(entry), was ?? "", is ?? ""]);
    return [
      ...rebuilt,
      ...pairs(gone, fresh).map(([old, now]) => [code(repository), tagOf(old, "new"), tagOf(now, "gone")]),
    ];
  });
  return section("Container images", ["image", "old", "new"], rows);
}

/** Tags in their order beside each other; where there are more of one kind, these stand alone. */
function pairs(
  gone: readonly LockChange[],
  fresh: readonly LockChange[],
): (readonly [LockChange | undefined, LockChange | undefined])[] {
  const { compare } = new Intl.Collator("en", { numeric: true });
  const sorted = (list: readonly LockChange[]): LockChange[] => list.toSorted((a, b) => compare(a.entry, b.entry));
  const [old, now] = [sorted(gone), sorted(fresh)];
  if (old.length !== now.length) {
    return [...old.map((each) => [each, undefined] as const), ...now.map((each) => [undefined, each] as const)];
  }
  return old.map((each, index) => [each, now[index]] as const);
}

function tagOf(change: LockChange | undefined, otherwise: string): string {
  return change ? change.entry.slice(repositoryOf(change.entry).length + 1) : otherwise;
}

function repositoryOf(ref: string): string {
  return ref.replace(/@.*$/, "").replace(/:[^:/]*$/, "");
}

/** What no source states, and people have to see to. */
function lookSection(versions: readonly ReleaseChange[], newFiles: readonly string[]): string[] {
  const added = versions.filter(({ from }) => from === undefined);
  if (added.length === 0) return [];
  const lines = added.flatMap(({ minor, to }) => [
    `- [ ] ${minor}: \`criTools\` ${to.criTools}, \`kubernetesCni\` ${to.kubernetesCni} and \`crio\` ${to.crio} are carried on from the minor before; the lock resolves only what the repositories have.`,
    `- [ ] ${minor}: \`kubeadmApi\` ${to.kubeadmApi} is carried on; read the release notes for a newer one, removed flags and feature gates.`,
  ]);
  const files = newFiles.map((file) => `- [ ] \`${file}\` is a copy of the minor before.`);
  return ["## To look at", "", ...lines, ...files];
}

function planSection(plans: readonly PlanChange[]): string[] {
  const changed = plans.filter(({ from, to }) => from !== to);
  const same = plans.filter(({ from, to }) => from === to);
  const rows = changed.map(({ template, arch, from, to }) => [code(template), arch, planOf(from), planOf(to)]);
  const table =
    rows.length > 0 ? markdownTable(["template", "arch", "old plan", "new plan"], rows) : ["No plan changes."];
  const kept = same.map(({ template, arch }) => `${code(template)} ${arch}`).join(", ");
  return ["## Templates", "", ...table, ...(same.length > 0 ? ["", `Unchanged: ${kept}.`] : [])];
}

function planOf(id: string | undefined): string {
  return id === undefined ? "none" : shortDigest(id);
}

function of(changes: readonly LockChange[], name: LockChange["section"]): LockChange[] {
  return changes.filter(({ section: own }) => own === name);
}

function code(text: string): string {
  return `\`${text}\``;
}

function section(title: string, heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : [`## ${title}`, "", ...markdownTable(heads, rows)];
}

/** Cells as wide as their column, so that it reads well as it is, too. */
function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [heads, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")));
  const widths = heads.map((_, at) => Math.max(3, ...cells.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  const [head = [], ...body] = cells;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)];
}
