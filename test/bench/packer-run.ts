import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildEvent, StampedEvent } from "../../src/core/event.ts";
import { runProgram } from "../../src/host/program.ts";
import type { BenchHost } from "./packer-host.ts";
import { LAST_STEP, ourTemplate, packerTemplate, type BenchStep, type PackerMachine } from "./packer-steps.ts";

const LAUNCHER = join(import.meta.dirname, "../../kvci-build");
/** Under emulation a build takes a minute or two; a machine that is shared gets its time. */
const BUILD_MS = 30 * 60_000;

/** One build, from the start of the program to its end. */
export interface Sample {
  readonly ms: number;
  /** Size of the qcow2 that it wrote. */
  readonly bytes: number;
  /** Guests that were booted, and guests that were restored from a warm state. */
  readonly boots: number;
  readonly restores: number;
  /** Until the first step began; undefined when none did. */
  readonly firstStepAtMs: number | undefined;
  /** How long the last step took; 0 where it was not run, and for Packer, which does not say. */
  readonly lastStepMs: number;
}

export interface RunContext {
  readonly host: BenchHost;
  readonly signal: AbortSignal;
  /** Added to the environment; marks what the bench starts. */
  readonly env: Readonly<Record<string, string>>;
}

/** A folder of templates with a store of its own. */
export interface OurPlace {
  readonly folder: string;
  readonly store: string;
}

/** Builds by kvci-build, as a user starts it. */
export async function runOurs(
  place: OurPlace,
  build: { readonly template: string; readonly steps: readonly BenchStep[]; readonly flags: readonly string[] },
  context: RunContext,
): Promise<Sample> {
  const { template, steps, flags } = build;
  await writeFile(join(place.folder, `${template}.ts`), ourTemplate(template, steps));
  const argv = [LAUNCHER, "template", `${template}.ts`, "--no-verify", "--json", ...flags] as const;
  const env = { NO_COLOR: "1", KVCI_BUILD_STORE: place.store };
  const timed = await timedRun(argv, { folder: place.folder, env, firstStep: /"kind":"step"/ }, context);
  const disk = join(place.folder, "out", template, context.host.arch, "disk.qcow2");
  const { ms, firstStepAtMs, stderr } = timed;
  return { ms, firstStepAtMs, bytes: (await stat(disk)).size, ...countsOf(stderr) };
}

/** What the events say. Every QEMU is counted: one that was given no memory boots. */
function countsOf(jsonLines: string): Pick<Sample, "boots" | "restores" | "lastStepMs"> {
  const events = jsonLines.split("\n").flatMap((line) => eventIn(line) ?? []);
  const machines = events.flatMap((event) =>
    event.type === "program-started" && event.argv.includes("-machine") ? [event.argv] : [],
  );
  const last = events.find((event) => event.type === "span-ended" && event.name === LAST_STEP);
  return {
    boots: machines.filter((argv) => !argv.includes("-incoming")).length,
    restores: events.filter(({ type }) => type === "warm-state-restored").length,
    lastStepMs: last?.type === "span-ended" ? last.durationMs : 0,
  };
}

/** The first line tells the format and holds no event. */
function eventIn(line: string): BuildEvent | undefined {
  return line.startsWith("{") ? (JSON.parse(line) as Partial<StampedEvent>).event : undefined;
}

/** Builds by Packer in a new folder, which is gone afterwards. */
export async function runPacker(
  folder: string,
  { machine, steps }: { readonly machine: PackerMachine; readonly steps: readonly BenchStep[] },
  context: RunContext,
): Promise<Sample> {
  await mkdir(folder);
  const [template, output] = [join(folder, "template.json"), join(folder, "output")];
  await writeFile(template, packerTemplate(machine, steps, output));
  // What Packer keeps stays in its folder, and it asks nobody for newer versions.
  const env = { HOME: folder, PACKER_CACHE_DIR: join(folder, "cache"), CHECKPOINT_DISABLE: "1" };
  const argv = [context.host.packer, "build", "-color=false", template] as const;
  const { ms, firstStepAtMs } = await timedRun(
    argv,
    { folder, env, firstStep: /Provisioning with shell script/ },
    context,
  );
  const { size: bytes } = await stat(join(output, "disk.qcow2"));
  await rm(folder, { recursive: true });
  return { ms, firstStepAtMs, bytes, boots: 1, restores: 0, lastStepMs: 0 };
}

/** Times a program; `firstStep` is in what it says, on either stream, when the first step begins. */
async function timedRun(
  argv: readonly [string, ...string[]],
  { folder, env, firstStep }: { folder: string; env: Readonly<Record<string, string>>; firstStep: RegExp },
  { host, signal, env: mark }: RunContext,
): Promise<Pick<Sample, "ms" | "firstStepAtMs"> & { readonly stderr: string }> {
  const said = { stdout: "", stderr: "" };
  let firstStepAtMs: number | undefined;
  const startedMs = performance.now();
  await runProgram(argv, {
    ...{ cwd: folder, env: { ...mark, ...env, PATH: host.path }, signal, timeoutMs: BUILD_MS },
    onOutput: (stream, text) => {
      said[stream] += text;
      // Output comes in pieces that end anywhere.
      const seen = said[stream].slice(-text.length - 100);
      if (firstStepAtMs === undefined && firstStep.test(seen)) firstStepAtMs = performance.now() - startedMs;
    },
  });
  return { ms: performance.now() - startedMs, firstStepAtMs, stderr: said.stderr };
}
