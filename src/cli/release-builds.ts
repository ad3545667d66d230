import { globSync } from "node:fs";
import { join, resolve } from "node:path";
import { KvciError } from "../core/error.ts";
import { rawDisk } from "../disk/raw-disk.ts";
import { BUILD_RECORD_FILE, readBuildRecord } from "../pipeline/build-record.ts";
import { contentDigest } from "../publish/content-digest.ts";
import type { ReleaseBuild } from "../publish/publisher.ts";
import { defaultVersion } from "../publish/release-name.ts";
import { buildLabels } from "./build-labels.ts";
import type { Session } from "./session.ts";

export interface ReleaseRequest {
  /** Folders of builds; none for all below `out`. */
  readonly builds: readonly string[];
  readonly out: string;
  /** Version of the release; without one, that of each build: date and plan. */
  readonly version: string | undefined;
}

/**
 * The builds to publish, read and told apart by their content.
 *
 * @throws {KvciError} `build-not-found`, `build-invalid`, `usage` for one template and architecture twice.
 */
export async function releaseBuilds(request: ReleaseRequest, session: Session): Promise<readonly ReleaseBuild[]> {
  const folders = foldersOf(request, session.app.cwd);
  const builds: ReleaseBuild[] = [];
  for (const folder of folders) builds.push(await releaseBuild(folder, request.version, session));
  assertDistinct(builds);
  return builds;
}

function foldersOf({ builds, out }: ReleaseRequest, cwd: string): string[] {
  if (builds.length > 0) return builds.map((build) => resolve(cwd, build));
  const root = resolve(cwd, out);
  const found = globSync(`*/*/${BUILD_RECORD_FILE}`, { cwd: root }).sort();
  if (found.length > 0) return found.map((path) => join(root, path, ".."));
  throw new KvciError("build-not-found", `there is no build in ${root}`, {
    hint: "Build a template first, or name the folder of a build: kvci-build publish out/quickstart/amd64 --target …",
  });
}

/** Those builds below a folder that a run published, by what its ledger calls them: `node amd64 1.0`. */
export async function releasedBuilds(
  what: readonly string[],
  { out, session }: { readonly out: string; readonly session: Session },
): Promise<readonly ReleaseBuild[]> {
  const root = resolve(session.app.cwd, out);
  const builds: ReleaseBuild[] = [];
  for (const path of globSync(`*/*/${BUILD_RECORD_FILE}`, { cwd: root }).sort()) {
    const folder = join(root, path, "..");
    const { template, platform } = await readBuildRecord(folder);
    const prefix = `${template} ${platform.arch} `;
    const versions = what.filter((each) => each.startsWith(prefix)).map((each) => each.slice(prefix.length));
    for (const version of versions) builds.push(await releaseBuild(folder, version, session));
  }
  return builds;
}

async function releaseBuild(folder: string, version: string | undefined, session: Session): Promise<ReleaseBuild> {
  const record = await readBuildRecord(folder);
  const { disk, template, platform, planId, machine, startedAt } = record;
  const diskPath = join(folder, disk.file);
  const { signal, journal, store } = session;
  const content = await journal.span({ name: `read ${template} ${platform.arch}`, kind: "phase" }, (inner) =>
    contentDigest({ storeRoot: store.root, file: disk.digest }, () => rawDisk(diskPath, { signal, journal: inner })),
  );
  return {
    folder,
    template,
    arch: platform.arch,
    version: version ?? defaultVersion({ startedAt, planId }),
    diskPath,
    diskDigest: disk.digest,
    virtualBytes: disk.virtualBytes,
    firmware: machine.firmware,
    content,
    planId,
    labels: await buildLabels(folder, record),
  };
}

function assertDistinct(builds: readonly ReleaseBuild[]): void {
  const seen = new Map<string, string>();
  for (const { template, arch, folder } of builds) {
    const name = `${template} ${arch}`;
    const other = seen.get(name);
    if (other !== undefined) {
      throw new KvciError("usage", `two builds of ${name} cannot be one release: ${other} and ${folder}`, {
        hint: "Publish them one after another, each with its own --release.",
      });
    }
    seen.set(name, folder);
  }
}
