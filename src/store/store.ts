import type { Digest } from "../core/digest.ts";

/**
 * The folder that holds everything worth keeping between builds. What is in it is complete: files are written under
 * `tmp/`, flushed, and renamed into place; a file under its final name is never changed again.
 */
export interface Store {
  /** Absolute path. */
  readonly root: string;
  /** Where a blob of that digest is, or would be. */
  blobPath(digest: Digest): string;
  hasBlob(digest: Digest): Promise<boolean>;
  /** Takes a finished temporary file over as the blob of `digest`, which the caller has computed from its bytes. */
  adoptBlob(temporary: string, digest: Digest): Promise<string>;
  /** Where the folder kept under `kind` and `key` is, or would be: for example a base made from packages. */
  entryPath(kind: string, key: string): string;
  hasEntry(kind: string, key: string): Promise<boolean>;
  /** Takes a finished temporary folder over as that entry; one that is there already stays. */
  adoptEntry(temporary: string, kind: string, key: string): Promise<string>;
  /** A new empty folder of this run; gone on disposal, or by the next run when this one is killed. */
  temporaryFolder(prefix: string): Promise<TemporaryFolder>;
  /** A folder that survives this run, for a download that can be resumed. */
  partialFolder(name: string): Promise<string>;
  /**
   * Waits until nobody else on this store holds `name`. Held until disposal; the lock of a process that is gone counts as free.
   * @param onWait is told who holds it, once, when there is somebody to wait for.
   */
  lock(
    name: string,
    options: { readonly signal: AbortSignal; readonly onWait?: (holder: string) => void },
  ): Promise<AsyncDisposable>;
  /** As `lock`, but undefined at once when somebody else holds it. */
  tryLock(name: string): Promise<AsyncDisposable | undefined>;
}

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}
