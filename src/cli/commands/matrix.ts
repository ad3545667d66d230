import { ERRORS, KvciError } from "../../core/error.ts";
import { ARCHES, type Arch } from "../../core/platform.ts";
import type { App } from "../app.ts";
import { openEnvironment } from "../environment-named.ts";
import type { Compared, ComparedWith } from "../matrix-compared.ts";
import { matrixJson, matrixRow, renderMatrixRows, type MatrixRow } from "../matrix-list.ts";
import { loadNamedOrAll, matrixEntries, planEach, type PlannedEntry } from "../matrix-plans.ts";
import { knownBases } from "../named-plans.ts";
import { streamLook } from "../template-loader/render-status.ts";

export interface MatrixFlags {
  readonly arch: readonly Arch[] | undefined;
  readonly env: string;
  readonly since?: string;
  readonly published?: readonly string[];
  readonly changed?: true;
  readonly exitCode?: true;
  readonly json?: true;
}

/** Exit status of `--exit-code` when something changed; see `src/core/error.ts`. */
const CHANGES_PENDING = 2;

/**
 * `kvci-build matrix`: the plan of every template on every architecture, and what is not what it was at a git revision or in a
 * published set.
 *
 * @returns the highest exit status of templates that cannot be planned; else 0, or with `--exit-code` 2 when something changed.
 */
export async function matrix(given: App, names: readonly string[], flags: MatrixFlags): Promise<number> {
  if (flags.since !== undefined && flags.published) throw oneOfThem();
  const { app, environment } = await openEnvironment(given, flags);
  const known = await knownBases(app, environment);
  const loaded = await loadNamedOrAll(app, names);
  const planned = await planEach(app, matrixEntries(loaded, flags.arch ?? ARCHES), {
    known,
    locked: environment.locked,
  });
  const { formers, gone } = await comparedIfAsked(app, planned, { ...flags, environment, known });
  const rows = planned.map((entry, index) => matrixRow(entry, app.cwd, formers[index]));
  const shown = flags.changed ? rows.filter(({ changed }) => changed !== false) : rows;
  const listed = names.length > 0 ? [] : gone;
  app.stdout.write(flags.json ? matrixJson(shown) : renderMatrixRows(shown, listed, streamLook(app.stdout)));
  return exitOf(rows, flags);
}

/** What git, layouts and registries need is loaded only for them. */
async function comparedIfAsked(app: App, planned: readonly PlannedEntry[], other: ComparedWith): Promise<Compared> {
  if (other.since === undefined && !other.published) return { formers: [], gone: [] };
  const { compared } = await import("../matrix-compared.ts");
  return compared(app, planned, other);
}

function exitOf(rows: readonly MatrixRow[], { exitCode }: MatrixFlags): number {
  const failed = rows.flatMap(({ error }) => (error ? [ERRORS[error.code].exit] : []));
  if (failed.length > 0) return Math.max(...failed);
  return exitCode && rows.some(({ changed }) => changed) ? CHANGES_PENDING : 0;
}

function oneOfThem(): KvciError {
  return new KvciError("usage", "--since and --published are two things to compare with", {
    hint: "Name one of them.",
  });
}
