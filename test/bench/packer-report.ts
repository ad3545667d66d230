import { availableParallelism } from "node:os";
import { median } from "./median.ts";
import type { BenchHost } from "./packer-host.ts";
import type { Sample } from "./packer-run.ts";

/** What ours may take at most, on two cores without KVM. */
export interface Target {
  readonly ms?: number;
  /** Beyond the last step's own time. */
  readonly msBesideStep?: number;
  /** Of Packer's time. */
  readonly ratio?: number;
  readonly boots?: number;
}

/** A case and what was measured: ours, and Packer doing the same. */
export interface Row {
  readonly name: string;
  readonly target: Target;
  readonly ours: readonly Sample[];
  readonly theirs: readonly Sample[];
}

/** Of Packer's output, in bytes. */
const BYTES_RATIO = 0.3;

/** The figures as Markdown. */
export function report(rows: readonly Row[], host: BenchHost, rounds: number): string {
  const cores = `${String(availableParallelism())} cores, ${host.accelerator.name} (${host.accelerator.reason})`;
  return [
    `${cores}, ${host.versions.join(", ")}; ${rounds === 1 ? "one round" : `medians of ${String(rounds)} rounds`}.`,
    "",
    "| case | kvci-build | Packer | ratio | until the first step, ours / Packer's | guests | target |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...rows.map(rowText),
    bytesText(rows),
    "",
    "Every sample, in seconds:",
    ...rows.map(({ name, ours, theirs }) => `- ${name}: ${samples(ours)}; Packer ${samples(theirs)}`),
    "",
  ].join("\n");
}

function rowText(row: Row): string {
  const ours = milliseconds(row.ours);
  const theirs = milliseconds(row.theirs);
  const first = `${secondsText(firstStep(row.ours))} / ${secondsText(firstStep(row.theirs))}`;
  const cells = [row.name, secondsText(ours), secondsText(theirs), ratioText(ours / theirs), first, guests(row.ours)];
  return `| ${[...cells, targetText(row, ours / theirs)].join(" | ")} |`;
}

function targetText({ target, ours }: Row, ratio: number): string {
  const besideStep = median(ours.map(({ ms, lastStepMs }) => ms - lastStepMs));
  const boots = Math.max(...ours.map((sample) => sample.boots));
  const parts = [
    judged(target.ms, milliseconds(ours), secondsText),
    judged(target.msBesideStep, besideStep, (ms) => `${secondsText(ms)} + the step`),
    judged(target.ratio, ratio, ratioText),
    judged(target.boots, boots, (count) => (count === 0 ? "no boot" : `${String(count)} boots`)),
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** The limit in words, with a mark; empty without a limit. */
function judged(limit: number | undefined, value: number, words: (limit: number) => string): string {
  if (limit === undefined) return "";
  return `${limit === 0 ? "" : "≤ "}${words(limit)} ${value <= limit ? "✓" : "✗"}`;
}

/** Builds of one template differ by some KiB; the first row is the build of everything. */
function bytesText(rows: readonly Row[]): string {
  const [row] = rows;
  const [ours, theirs] = [row?.ours, row?.theirs].map((of) => median((of ?? []).map(({ bytes }) => bytes))) as [
    number,
    number,
  ];
  const ratio = ours / theirs;
  const target = judged(BYTES_RATIO, ratio, ratioText);
  return `| size of the qcow2 | ${mebibytes(ours)} | ${mebibytes(theirs)} | ${ratioText(ratio)} | | | ${target} |`;
}

function milliseconds(of: readonly Sample[]): number {
  return median(of.map(({ ms }) => ms));
}

function firstStep(of: readonly Sample[]): number {
  return median(of.flatMap(({ firstStepAtMs }) => (firstStepAtMs === undefined ? [] : [firstStepAtMs])));
}

function guests(ours: readonly Sample[]): string {
  const kinds = ours.map(({ boots, restores }) =>
    [count(boots, "boot"), count(restores, "restore")].filter((part) => part !== "").join(" + "),
  );
  return [...new Set(kinds.map((kind) => (kind === "" ? "none" : kind)))].join(" or ");
}

function count(number: number, what: string): string {
  return number === 0 ? "" : `${String(number)} ${what}${number === 1 ? "" : "s"}`;
}

function samples(of: readonly Sample[]): string {
  return of.map(({ ms }) => (ms / 1000).toFixed(1)).join(" ");
}

function secondsText(ms: number): string {
  return Number.isNaN(ms) ? "–" : `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

function ratioText(ratio: number): string {
  return `${ratio.toFixed(ratio < 0.1 ? 3 : 2)}×`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
}
