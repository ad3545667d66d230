import { resolve } from "node:path";
import { readLock } from "../base/lock-file.ts";
import { imageSource } from "../base/distributions.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import { cloudImageKey, type Lock } from "../core/lock.ts";
import { lockResolver } from "../core/lock-resolver.ts";
import { formatBytes } from "../journal/format.ts";
import { displayLine } from "../journal/text-width.ts";
import { failedTogether, type Failure } from "../lock/answers.ts";
import { fillMirror, removePartials, type MirroredFile, type MirrorFile } from "../lock/mirror-folder.ts";
import { writeMirrorList } from "../lock/mirror-list.ts";
import { entriesFor } from "../lock/prune-lock.ts";
import type { LockTarget } from "../lock/lock-targets.ts";
import { fetchMirrorImages, type MirroredImages, type WantedLock } from "./lock-fetch-images.ts";
import { repositoryIndexes } from "./lock-packages.ts";
import { targetsOf, type LockGroup } from "./lock-templates.ts";
import type { Session } from "./session.ts";
import { table } from "./table.ts";

export interface MirrorRequest {
  readonly session: Session;
  readonly environment: Environment;
  /** Relative to the working directory, or absolute. */
  readonly folder: string;
  readonly json: boolean;
}

/**
 * `kvci-build lock --fetch DIR`: collects everything that these templates need by the lock, so that `DIR`, served by any web server,
 * is an environment's `baseUrl`. Resolves nothing.
 *
 * @throws {KvciError} `lock-missing`, `lock-stale`; what cannot be fetched, all of it together, after everything else was.
 */
export async function fetchForMirror(groups: readonly LockGroup[], request: MirrorRequest): Promise<number> {
  const { session, environment } = request;
  const { app, store, journal, signal } = session;
  const folder = resolve(app.cwd, request.folder);
  const onWait = (holder: string): void => {
    journal.emit({ type: "warning", subject: folder, detail: `waiting for ${holder}` });
  };
  return withDisposal(await store.lock(`mirror-${folder}`, { signal, onWait }), async () => {
    const wanted = await wantedOf(groups, session, environment);
    const { files, failures } = await journal.span(
      { name: `fetch files (${wanted.files.length})`, kind: "phase" },
      (inner) => fillMirror(wanted.files, { folder, upstream: environment, store, journal: inner, signal }),
    );
    const images = await fetchMirrorImages(wanted.locks, { folder, session, environment });
    await writeMirrorList(folder, listed(files, images));
    const all = [...wanted.failures, ...failures, ...images.failures];
    if (all.length === 0) await removePartials(folder);
    app.stdout.write(
      request.json ? `${JSON.stringify({ folder, ...listed(files, images) })}\n` : summary(folder, files, images),
    );
    if (all.length > 0) throw failedTogether(all, "fetch");
    return 0;
  });
}

interface Wanted {
  readonly locks: readonly WantedLock[];
  readonly files: readonly MirrorFile[];
  readonly failures: readonly Failure[];
}

async function wantedOf(groups: readonly LockGroup[], session: Session, environment: Environment): Promise<Wanted> {
  const locks: WantedLock[] = [];
  const files: MirrorFile[] = [];
  for (const group of groups) {
    const lock = await readLock(group.path);
    const targets = targetsOf(group);
    for (const target of targets) checkWhole(target, group, lock);
    const own = entriesFor(lock, targets);
    locks.push({ own, targets });
    files.push(...lockedFiles(own), ...cloudImageFiles(own, targets), ...givenImages(group));
  }
  const targets = locks.flatMap((each) => each.targets);
  const indexes = await repositoryIndexes(targets, { session, environment });
  return { locks, files: [...files, ...indexes.files], failures: indexes.failures };
}

/** A mirror that lacks something would only show it in the place without any network. */
function checkWhole({ template, arch, platform, cloudImage }: LockTarget, { templates }: LockGroup, lock: Lock): void {
  const steps = templates.find((each) => each.template.name === template)?.template.steps ?? [];
  lockResolver({ template: { name: template, steps }, lock, locked: true }, platform);
  const key = cloudImage && cloudImageKey(cloudImage, arch);
  if (key === undefined || lock.cloudImages[key]) return;
  throw new KvciError("lock-missing", `template "${template}": the lock has no cloud image ${key}`, {
    hint: `Run \`kvci-build lock ${template}\` to resolve it.`,
  });
}

function lockedFiles({ files, manifests, packages }: Lock): MirrorFile[] {
  const named = Object.entries({ ...files, ...manifests }).map(([url, { digest }]) => ({ url, digest }));
  const sets = Object.values(packages).flatMap((each) => Object.values(each));
  return [...named, ...sets.flatMap((set) => Object.values(set.packages))].map(({ url, digest }) => ({ url, digest }));
}

/** The image, the checksum file that its digest is from, and that one's signature where it is a file of its own. */
function cloudImageFiles(own: Lock, targets: readonly LockTarget[]): MirrorFile[] {
  return targets.flatMap(({ cloudImage, arch }) => {
    const entry = cloudImage && own.cloudImages[cloudImageKey(cloudImage, arch)];
    if (!entry) return [];
    const { signing } = imageSource(cloudImage.distribution, cloudImage.release, arch);
    const signature = signing.kind === "detached" ? [{ url: `${entry.source}${signing.signatureSuffix}` }] : [];
    return [{ url: entry.url, digest: entry.digest }, { url: entry.source }, ...signature];
  });
}

/** Images that templates name by URL and digest themselves. */
function givenImages({ templates }: LockGroup): MirrorFile[] {
  return templates.flatMap(({ template: { base } }) =>
    base.kind === "cloud-image" && base.url !== undefined ? [{ url: base.url, digest: base.digest }] : [],
  );
}

function listed(files: readonly MirroredFile[], { images }: MirroredImages): Parameters<typeof writeMirrorList>[1] {
  return {
    files: Object.fromEntries(files.map(({ path, url, digest, bytes }) => [path, { url, digest, bytes }])),
    images: Object.fromEntries(images.map(({ ref, digest, bytes }) => [ref, { digest, bytes }])),
  };
}

function summary(folder: string, files: readonly MirroredFile[], { images, blobs }: MirroredImages): string {
  const rows = [
    ["  files", ...figures(files)],
    ...(images.length === 0 ? [] : [[`  blobs of ${images.length} container images`, ...figures(blobs)]]),
  ];
  return `${[displayLine(folder), ...table(["left", "right", "right", "right"], rows)].join("\n")}\n`;
}

function figures(items: readonly { readonly bytes: number; readonly fetched: boolean }[]): string[] {
  const fetched = items.filter((item) => item.fetched);
  const total = (list: readonly { readonly bytes: number }[]): string =>
    formatBytes(list.reduce((sum, { bytes }) => sum + bytes, 0));
  return [String(items.length), total(items), `${fetched.length} of them (${total(fetched)}) new`];
}
