import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bounded } from "../core/bounded.ts";
import { sourceDigest } from "../core/describe-op.ts";
import { sha256, type Digest } from "../core/digest.ts";
import { withDisposal } from "../core/disposal.ts";
import type { Environment } from "../core/environment.ts";
import { KvciError } from "../core/error.ts";
import { writing } from "../core/file-system-error.ts";
import type { Journal } from "../core/journal.ts";
import type { PlannedFetchIn } from "../core/op.ts";
import type { Plan, SourceFile } from "../core/plan.ts";
import { editManifest } from "../lock/edit-manifest.ts";
import { fetchLocked } from "../lock/fetch-locked.ts";
import type { Store } from "../store/store.ts";

export interface FetchingOptions {
  readonly store: Store;
  readonly environment: Pick<Environment, "mirrors" | "baseUrl">;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** Keeps items of the store from being removed meanwhile; by their paths below its root. */
  readonly pin: (items: readonly string[]) => Promise<void>;
}

/** Files at once; a server hardly minds, and most are small. */
const AT_ONCE = 6;

/**
 * The files of a plan's fetches, in the store: fetched by the lock's digests from where the environment says, manifests with
 * their edits.
 *
 * @returns host files by `sourceDigest` of their ops.
 * @throws {KvciError} `download-failed`, `digest-mismatch`, `manifest-invalid`, each naming the URL; `store-full`, `interrupted`.
 */
export async function fetchedFiles(
  plan: Pick<Plan, "downloads" | "disk">,
  options: FetchingOptions,
): Promise<Map<string, SourceFile>> {
  const { downloads, disk } = plan;
  if (downloads.length === 0) return new Map();
  await options.pin(downloads.map(({ digest }) => itemOf(digest)));
  return options.journal.span({ name: `fetch files (${downloads.length})`, kind: "phase" }, async (journal) => {
    const { store, environment: upstream, signal } = options;
    await bounded(downloads, AT_ONCE, (file) => fetchLocked(file, { store, upstream, journal, signal }));
    const urls = new Map(downloads.map(({ digest, url }) => [digest, url]));
    const ops = disk.steps.flatMap((step) => step.ops).filter((op) => op.kind === "fetch-in");
    const files = new Map<string, SourceFile>();
    for (const op of new Map(ops.map((each) => [sourceDigest(each), each])).values()) {
      files.set(sourceDigest(op), await sourceOf(op, urls.get(op.digest), options));
    }
    return files;
  });
}

async function sourceOf(op: PlannedFetchIn, url: string | undefined, options: FetchingOptions): Promise<SourceFile> {
  if (url === undefined) throw new KvciError("internal", `no URL for ${op.path}`, { hint: "Report this." });
  const path = options.store.blobPath(op.digest);
  if (op.edits.length > 0) return edited(editManifest(await readFile(path, "utf8"), op.edits, url), options);
  return { absolutePath: path, digest: op.digest, bytes: (await stat(path)).size };
}

async function edited(text: string, { store, pin }: FetchingOptions): Promise<SourceFile> {
  const content = Buffer.from(text, "utf8");
  const digest = sha256(content);
  await pin([itemOf(digest)]);
  const absolutePath = await withDisposal(await store.temporaryFolder("manifest"), async (folder) => {
    const file = join(folder.path, "manifest.yaml");
    await writing(file, () => writeFile(file, content));
    return store.adoptBlob(file, digest);
  });
  return { absolutePath, digest, bytes: content.length };
}

function itemOf(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}
