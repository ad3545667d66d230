/**
 * The same base, machine and steps built by kvci-build and by Packer's qemu builder, in turn. Run:
 * `node test/bench/packer.ts [rounds]`; 3 rounds unless told, or KVCI_BENCH_ROUNDS. A round takes some ten minutes without KVM.
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { packagesBase } from "../../builders/packages/packages-base.ts";
import { packages } from "../../src/core/base.ts";
import type { DirectBoot } from "../../src/core/disk-image.ts";
import { defineEnvironment } from "../../src/core/environment.ts";
import { KvciError, messageOf } from "../../src/core/error.ts";
import { silentJournal } from "../../src/core/journal.ts";
import { processesWith } from "../../src/host/process-table.ts";
import { identityCredential } from "../../src/machine/credentials.ts";
import { generateKeyPair } from "../../src/machine/ssh2-machine.ts";
import { openStore } from "../../src/store/file-store.ts";
import { prepareHost, type BenchHost } from "./packer-host.ts";
import { report, type Row, type Target } from "./packer-report.ts";
import { runOurs, runPacker, type OurPlace, type RunContext, type Sample } from "./packer-run.ts";
import { benchSteps, type PackerMachine } from "./packer-steps.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Kept from run to run, for the base; the end-to-end tests use the same. */
const BASE_STORE = process.env["KVCI_E2E_STORE"] ?? join(ROOT, ".kvci/e2e/store");
/** Beside that store, so that its files can be linked to. */
const BENCH = join(dirname(BASE_STORE), "bench");
const KEY_COMMENT = "kvci-build@bench";
/** Marks every process that the bench starts, and all that those start. */
const MARK = { KVCI_BENCH: randomUUID() };

/** In the order they are run: each one finds the store as the ones before it left it, except for the last. */
const CASES = [
  { id: "cold", name: "everything, from a cached base", target: { ratio: 1 } },
  { id: "same", name: "nothing changed", target: { ms: 1500, ratio: 0.03 } },
  { id: "last", name: "last step changed", target: { msBesideStep: 5000, ratio: 0.15 } },
  { id: "last-no-warm", name: "last step changed, `--no-warm`", target: {} },
  { id: "new", name: "a new template on a known base", target: { ratio: 0.7, boots: 0 } },
  { id: "new-no-warm", name: "a new template on a known base, `--no-warm`", target: {} },
  { id: "cold-no-warm", name: "everything, from a cached base, `--no-warm`", target: {} },
] as const satisfies readonly { readonly id: string; readonly name: string; readonly target: Target }[];
type Case = (typeof CASES)[number]["id"];

const NO_WARM = ["--no-warm"];
type Marks = Parameters<typeof benchSteps>[0];

interface Bench {
  /** Emptied and removed at the end. */
  readonly folder: string;
  readonly machine: PackerMachine;
  readonly context: RunContext;
}

type Measured = Readonly<Record<"packer" | Case, Sample>>;

process.exitCode = await main();

async function main(): Promise<number> {
  const rounds = roundsAsked();
  const abort = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => abort.abort());
  await mkdir(BENCH, { recursive: true });
  const folder = await mkdtemp(join(BENCH, "packer-"));
  try {
    const host = await prepareHost(abort.signal);
    const machine = await packerMachine(folder, host, abort.signal);
    const bench = { folder, machine, context: { host, signal: abort.signal, env: MARK } };
    const measured: Measured[] = [];
    for (let round = 1; round <= rounds; round += 1) measured.push(await runRound(round, bench));
    process.stdout.write(`\n${report(rowsOf(measured), host, rounds)}`);
    return 0;
  } catch (error) {
    const more = error instanceof KvciError ? [...error.evidence, error.hint] : [];
    process.stderr.write(`${[messageOf(error), ...more].join("\n")}\n`);
    return 1;
  } finally {
    await endMarked();
    await rm(folder, { recursive: true, force: true });
  }
}

function roundsAsked(): number {
  const asked = Number(process.argv[2] ?? process.env["KVCI_BENCH_ROUNDS"] ?? 3);
  return Number.isInteger(asked) && asked > 0 ? asked : 3;
}

/** Ends what an interrupted build left: Packer's plug-ins and its guest are no children of ours. */
async function endMarked(): Promise<void> {
  for (const { pid } of await processesWith(`KVCI_BENCH=${MARK.KVCI_BENCH}`)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}

/** Each case once, Packer before ours, so that what the machine or the mirror does meanwhile meets both. */
async function runRound(round: number, bench: Bench): Promise<Measured> {
  const { folder, machine, context } = bench;
  const path = (name: string): string => join(folder, `${name}-${String(round)}`);
  const [place, other] = [await emptyPlace(path("ours")), await emptyPlace(path("ours-no-warm"))];
  const ours = (at: OurPlace, marks: Marks, flags: readonly string[] = []): Promise<Sample> =>
    runOurs(at, { template: marks.template, steps: benchSteps(marks), flags }, context);
  const measure = async (name: string, run: () => Promise<Sample>): Promise<Sample> => {
    const sample = await run();
    process.stdout.write(`round ${String(round)}: ${name} ${(sample.ms / 1000).toFixed(1)} s\n`);
    return sample;
  };
  const first = { template: "first", last: "one" };
  const steps = benchSteps(first);
  const packer = await measure("packer", () => runPacker(path("packer"), { machine, steps }, context));
  const runs: Readonly<Record<Case, () => Promise<Sample>>> = {
    cold: () => ours(place, first),
    same: () => ours(place, first),
    last: () => ours(place, { ...first, last: "two" }),
    "last-no-warm": () => ours(place, { ...first, last: "three" }, NO_WARM),
    new: () => ours(place, { ...first, template: "second" }),
    "new-no-warm": () => ours(place, { ...first, template: "third" }, NO_WARM),
    "cold-no-warm": () => ours(other, first, NO_WARM),
  };
  const measured: Partial<Record<Case, Sample>> = {};
  for (const { id } of CASES) measured[id] = await measure(id, runs[id]);
  await Promise.all([place, other].map((each) => rm(each.folder, { recursive: true })));
  return { packer, ...(measured as Record<Case, Sample>) };
}

/** Packer keeps nothing from build to build, so its one time stands beside every case. */
function rowsOf(measured: readonly Measured[]): Row[] {
  const theirs = measured.map(({ packer }) => packer);
  return CASES.map(({ id, name, target }) => ({ name, target, theirs, ours: measured.map((round) => round[id]) }));
}

/** A folder with a store that has the base and nothing else. */
async function emptyPlace(folder: string): Promise<OurPlace> {
  const store = join(folder, "store");
  await mkdir(join(store, "entries"), { recursive: true });
  // What is in a store is never written again, so links are as good as copies.
  await promisify(execFile)("cp", ["-al", join(BASE_STORE, "entries/bases"), join(store, "entries")]);
  return { folder, store };
}

/** Packer's way into our base: a key of its own, handed over as kvci-build hands over its keys. */
async function packerMachine(folder: string, host: BenchHost, signal: AbortSignal): Promise<PackerMachine> {
  const store = await openStore(BASE_STORE, { runId: randomUUID(), description: "the bench" });
  const bases = packagesBase({ store, signal, journal: silentJournal, environment: defineEnvironment({}) });
  const { disk, directBoot } = await bases.provide(packages({ distribution: "debian", release: "12" }), host.arch);
  const identity = { clientKey: generateKeyPair(KEY_COMMENT), hostKey: generateKeyPair(KEY_COMMENT) };
  const [privateKey, credential] = [join(folder, "key"), join(folder, "credential")];
  await writeFile(privateKey, identity.clientKey.privateKey, { mode: 0o600 });
  await writeFile(credential, identityCredential(identity), { mode: 0o600 });
  const { arch, qemu, accelerator } = host;
  return {
    ...{ arch, qemu, accelerator: accelerator.name, privateKey, credential },
    ...{ disk: disk.path, directBoot: started(directBoot) },
  };
}

function started(directBoot: DirectBoot | undefined): DirectBoot {
  if (directBoot) return directBoot;
  throw new KvciError("internal", "the base from packages has no kernel of its own", { hint: "Report this." });
}
