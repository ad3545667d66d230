import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Op } from "../../../src/core/op.ts";
import type { Platform } from "../../../src/core/platform.ts";
import type { Step } from "../../../src/core/step.ts";

const FOLDER = join(import.meta.dirname, "../../golden/steps");

/** Debian as a base made from packages. */
export const debian: Platform = {
  os: "linux",
  arch: "amd64",
  family: "apt",
  distribution: "debian",
  release: "12",
  bootLoader: "systemd-boot",
};
/** Fedora as a cloud image. */
export const fedora: Platform = {
  os: "linux",
  arch: "amd64",
  family: "dnf",
  distribution: "fedora",
  release: "43",
  bootLoader: "grub",
};
export const centos: Platform = { ...fedora, distribution: "centos", release: "9" };
/** Debian as a cloud image. */
export const debianGrub: Platform = { ...debian, bootLoader: "grub" };
export const debianZ: Platform = { ...debian, arch: "s390x", bootLoader: "zipl" };
export const fedoraZ: Platform = { ...fedora, arch: "s390x", bootLoader: "zipl" };

/**
 * Compares a step's ops with the golden file, so that a review shows the exact commands that change.
 * `KVCI_UPDATE_GOLDENS=1` writes the files instead.
 */
export function assertGolden(name: string, step: Step, platform: Platform): void {
  const file = join(FOLDER, `${name}.json`);
  const actual = { step: step.name, ops: step.ops(platform) };
  if (process.env["KVCI_UPDATE_GOLDENS"] === "1") {
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(file, `${JSON.stringify(actual, null, 2)}\n`);
    return;
  }
  assert.deepEqual(
    actual,
    JSON.parse(readFileSync(file, "utf8")),
    `${file} differs; if it should, run with KVCI_UPDATE_GOLDENS=1`,
  );
}

/** The golden of one step for apt and for dnf. */
export function assertGoldens(name: string, step: Step): void {
  assertGolden(`${name}.apt`, step, debian);
  assertGolden(`${name}.dnf`, step, fedora);
}

/** What a step writes to `path`. */
export function contentOf(ops: readonly Op[], path: string): string {
  const op = ops.find((candidate) => candidate.kind === "write-file" && candidate.path === path);
  assert.ok(op?.kind === "write-file", `nothing is written to ${path}`);
  return op.content;
}

/** Every command as one line. */
export function commandsOf(ops: readonly Op[]): string[] {
  return ops.flatMap((op) => (op.kind === "run" ? [op.argv.join(" ")] : []));
}
