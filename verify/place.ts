import { KvciError } from "../src/core/error.ts";
import type { Journal } from "../src/core/journal.ts";
import type { Machine } from "../src/machine/machine.ts";
import type { DiskUnderTest } from "./disk-under-test.ts";

/** A running copy of the disk under test. Disposal ends it and drops everything it wrote. */
export interface Clone extends AsyncDisposable {
  /** Also its hostname. */
  readonly name: string;
  readonly machine: Machine;
  /** Milliseconds from power-on until a command was answered. */
  readonly bootMs: number;
  /** File with what the clone said on its console. */
  readonly serialLog: string;
}

export interface PlaceContext {
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

/** Somewhere a disk can be run to be looked at. */
export interface Place {
  /** As `--on` names it; part of the record's file name. */
  readonly name: string;
  /**
   * Boots one clone of the disk on a throw-away overlay, as its user's first boot would be, and waits until a command is
   * answered. Clones do not share anything that identifies a machine. When it throws, nothing is left behind.
   *
   * @throws {KvciError} `guest-not-ready`, `guest-died` or `machine-lost` when the disk is to blame; anything else is
   *   the place's own trouble.
   */
  clone(disk: DiskUnderTest, name: string, context: PlaceContext): Promise<Clone>;
}

/** @throws {KvciError} `usage` naming the places that exist. */
export function placeNamed(places: readonly Place[], name: string): Place {
  const place = places.find((candidate) => candidate.name === name);
  if (place) return place;
  throw new KvciError("usage", `there is no place "${name}" to verify on`, {
    hint: `Use --on ${places.map((candidate) => candidate.name).join(" or --on ")}.`,
  });
}
