import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PackagesBase } from "../../src/core/base.ts";
import type { Digest } from "../../src/core/digest.ts";
import type { Base } from "../../src/core/disk-image.ts";
import { withDisposal } from "../../src/core/disposal.ts";
import type { Environment } from "../../src/core/environment.ts";
import type { Journal } from "../../src/core/journal.ts";
import type { Arch } from "../../src/core/platform.ts";
import { ENTRY_NOTE, formatEntryNote } from "../../src/store/entry-note.ts";
import type { Store } from "../../src/store/store.ts";
import { baseOf, readRecord } from "./base-record.ts";
import { bootstrapperOf } from "./bootstrappers.ts";
import { makeBase } from "./make-base.ts";
import { keyOf, packagesOf, releaseOf } from "./recipe.ts";

/** Kind of the store's entries. */
const KIND = "bases";

export interface PackagesBaseOptions {
  readonly store: Store;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly environment: Pick<Environment, "packageMirrors">;
  /** How packages are come by: a relay on this host's loopback, and what programs that fetch are given. Default: directly. */
  readonly network?: { readonly relay: string | undefined; readonly env: Readonly<Record<string, string>> } | undefined;
  /** Clock for the record's date. */
  readonly now?: () => Date;
  /** User id of this process: 0 makes the tree as root, any other in a user namespace. */
  readonly uid?: number | undefined;
}

/** Bases made from packages. */
export interface PackagesBases {
  /**
   * The base of a spec: from the store, or made now (about a minute) and stored. Two builds at once make it once.
   *
   * @throws {KvciError} `base-failed` with the bootstrapper's last lines, `program-missing`, `store-full`, `interrupted`.
   */
  provide(spec: PackagesBase, arch: Arch): Promise<Base>;
  /** Digest of the base's disk when the store has it; reads one small file. @throws {KvciError} `base-failed` for what cannot be made. */
  known(spec: PackagesBase, arch: Arch): Promise<Digest | undefined>;
}

export function packagesBase(options: PackagesBaseOptions): PackagesBases {
  const { store, journal } = options;
  return {
    async provide(spec, arch) {
      check(spec, arch);
      const kept = await stored(store, spec, arch);
      if (kept) return reused(journal, spec, kept);
      const onWait = (holder: string): void => {
        journal.emit({
          type: "warning",
          subject: baseName(spec, arch),
          detail: `waiting for ${holder}, which is making it`,
        });
      };
      const lock = await store.lock(`${KIND}-${keyOf(spec, arch)}`, { signal: options.signal, onWait });
      return withDisposal(lock, async () => {
        const made = await stored(store, spec, arch);
        if (made) return reused(journal, spec, made);
        return journal.span({ name: `base ${baseName(spec, arch)}`, kind: "phase" }, (inner) =>
          make({ ...options, journal: inner }, spec, arch),
        );
      });
    },
    async known(spec, arch) {
      check(spec, arch);
      return (await stored(store, spec, arch))?.disk.digest;
    },
  };
}

function baseName(spec: PackagesBase, arch: Arch): string {
  return `${spec.distribution} ${spec.release} ${arch}`;
}

function check(spec: PackagesBase, arch: Arch): void {
  bootstrapperOf(spec);
  releaseOf(spec, arch);
}

async function stored(store: Store, spec: PackagesBase, arch: Arch): Promise<Base | undefined> {
  const folder = store.entryPath(KIND, keyOf(spec, arch));
  const record = await readRecord(folder);
  return record && baseOf(folder, record);
}

function reused(journal: Journal, spec: PackagesBase, base: Base): Base {
  journal.emit({ type: "cache-hit", what: `base ${spec.distribution} ${spec.release}`, digest: base.disk.digest });
  return base;
}

async function make(options: PackagesBaseOptions, spec: PackagesBase, arch: Arch): Promise<Base> {
  const { store, journal, signal } = options;
  const key = keyOf(spec, arch);
  return withDisposal(await store.temporaryFolder("base"), async ({ path: workFolder }) => {
    const made = await makeBase({
      spec,
      arch,
      key,
      bootstrapper: bootstrapperOf(spec),
      release: releaseOf(spec, arch),
      packages: packagesOf(spec, arch),
      mirror: options.environment.packageMirrors[spec.distribution],
      relay: options.network?.relay,
      env: options.network?.env ?? {},
      workFolder,
      asRoot: (options.uid ?? process.getuid?.()) === 0,
      journal,
      signal,
      now: options.now ?? (() => new Date()),
    });
    const note = { what: `base ${baseName(spec, arch)}`, createdAt: made.record.madeAt, needs: [] };
    await writeFile(join(made.folder, ENTRY_NOTE), formatEntryNote(note));
    return baseOf(await store.adoptEntry(made.folder, KIND, key), made.record);
  });
}
