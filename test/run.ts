/**
 * Runs the tests: `npm test [-- SUITE...]`, all suites but `peers` unless some are named. Installs the host programs they need
 * where that can be done. The last line is always `N passed, N failed`.
 */
import { spawn } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { KvciError, messageOf } from "../src/core/error.ts";
import { silentJournal } from "../src/core/journal.ts";
import type { Arch } from "../src/core/platform.ts";
import { readOsRelease } from "../src/host/distribution.ts";
import { searchPath } from "../src/host/find-program.ts";
import { missingPrograms, requirePrograms } from "../src/host/install-programs.ts";
import { programsFor, type Feature } from "../src/host/programs.ts";
import type { Totals } from "./reporter.ts";

interface Suite {
  readonly files: readonly string[];
  /** For one test; a test that needs more says so itself. */
  readonly testTimeoutMs: number;
  /** For the whole suite, after which it is ended and counts as failed. */
  readonly deadlineMs: number;
  /** Test files at once: an emulated guest keeps one core busy. */
  readonly jobs: number;
  readonly features: readonly Feature[];
}

const root = join(import.meta.dirname, "..");
const MINUTE_MS = 60_000;

const BUILDING = ["build", "packages-base", "xz-images", "lock-apt", "lock-dnf"] as const;
const PUBLISHING = ["publish-registry", "publish-cloud"] as const;

/** Files that take five minutes to half an hour, the longest first: begun late, one of them would keep all others waiting. */
const LONG = ["airgap", "layers", "resume", "quickstart", "cloud-image", "concurrent", "hygiene", "isolated", "warm"];

const SUITES: Readonly<Record<string, Suite>> = {
  unit: {
    files: globSync("test/**/*.test.ts", { cwd: root, exclude: ["test/contract/**", "test/e2e/**", "test/peers/**"] }),
    testTimeoutMs: 10_000,
    deadlineMs: 3 * MINUTE_MS,
    jobs: 2,
    features: [],
  },
  contract: {
    files: globSync("test/contract/**/*.test.ts", { cwd: root }),
    testTimeoutMs: 2 * MINUTE_MS,
    deadlineMs: 25 * MINUTE_MS,
    jobs: 2,
    features: [...BUILDING, ...PUBLISHING, "revisions", "tests"],
  },
  e2e: {
    files: longestFirst(globSync("test/e2e/**/*.test.ts", { cwd: root })),
    testTimeoutMs: 10 * MINUTE_MS,
    deadlineMs: 75 * MINUTE_MS,
    jobs: 2,
    features: [...BUILDING, ...PUBLISHING, "firmware", "tests"],
  },
  /** Second opinions, from programs that these tests download and build: only on demand. */
  peers: {
    files: globSync("test/peers/**/*.test.ts", { cwd: root }),
    testTimeoutMs: 2 * MINUTE_MS,
    deadlineMs: 40 * MINUTE_MS,
    jobs: 1,
    features: ["build", ...PUBLISHING],
  },
};
const ON_DEMAND = ["peers"];

const abort = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => abort.abort());

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const names = args.length === 0 ? Object.keys(SUITES).filter((name) => !ON_DEMAND.includes(name)) : args;
  const unknown = names.find((name) => !Object.hasOwn(SUITES, name));
  if (unknown !== undefined) {
    console.error(`no suite "${unknown}"; there are ${Object.keys(SUITES).join(", ")}`);
    return 3;
  }
  const totals = { passed: 0, failed: 0 };
  try {
    await runSuites(names, totals);
  } catch (error) {
    totals.failed += 1;
    console.log(messageOf(error));
    if (error instanceof KvciError) console.log([...error.evidence, error.hint].join("\n"));
  }
  console.log(`${String(totals.passed)} passed, ${String(totals.failed)} failed`);
  return totals.failed > 0 || totals.passed === 0 ? 1 : 0;
}

async function runSuites(names: readonly string[], totals: { passed: number; failed: number }): Promise<void> {
  const suites = names.flatMap((name) => {
    const suite = SUITES[name];
    return suite ? [{ name, suite }] : [];
  });
  const env = await prepareHost(suites.flatMap(({ suite }) => suite.features));
  for (const { name, suite } of suites) {
    const { passed, failed } = await runSuite(name, suite, env);
    totals.passed += passed;
    totals.failed += failed;
    if (abort.signal.aborted) return;
  }
}

function longestFirst(files: readonly string[]): readonly string[] {
  const rank = (file: string): number => {
    const at = LONG.indexOf(basename(file, ".test.ts"));
    return at < 0 ? LONG.length : at;
  };
  return files.toSorted((one, other) => rank(one) - rank(other));
}

/** Installs what the suites need. @returns the environment for their processes, with those programs on its PATH. */
async function prepareHost(features: readonly Feature[]): Promise<NodeJS.ProcessEnv> {
  const search = { path: process.env["PATH"] ?? "", toolsFolder: join(root, ".kvci/tools/bin") };
  const arch: Arch = process.arch === "arm64" ? "arm64" : process.arch === "s390x" ? "s390x" : "amd64";
  const ids = programsFor(features, arch);
  const missing = await missingPrograms(ids, search);
  if (missing.length > 0) console.log(`installing ${missing.join(", ")}`);
  await requirePrograms(ids, {
    ...search,
    install: true,
    signal: abort.signal,
    journal: silentJournal,
    osRelease: readOsRelease(),
    isRoot: process.getuid?.() === 0,
  });
  // Some thousand processes start in a run; compiled sources halve what that takes.
  const compiled = join(root, "node_modules/.cache/kvci-tests/compiled");
  return { ...process.env, PATH: searchPath(search), NODE_COMPILE_CACHE: compiled };
}

async function runSuite(name: string, suite: Suite, env: NodeJS.ProcessEnv): Promise<Totals> {
  if (suite.files.length === 0) return { passed: 0, failed: 0 };
  console.log(`${name}: ${String(suite.files.length)} files`);
  const startedMs = Date.now();
  const totalsFile = join(root, `node_modules/.cache/kvci-tests/${name}-${String(process.pid)}.json`);
  mkdirSync(join(totalsFile, ".."), { recursive: true });
  const problem = await runMocha(suite, { env, totalsFile });
  const totals = readTotals(totalsFile);
  rmSync(totalsFile, { force: true });
  if (problem !== undefined) console.log(`${name}: ${problem}`);
  const failed = totals.failed === 0 && problem !== undefined ? 1 : totals.failed;
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(`${name}: ${String(totals.passed)} passed, ${String(failed)} failed in ${seconds} s\n`);
  return { passed: totals.passed, failed };
}

/** @returns what went wrong beside failing tests: a crash before the totals were written, the deadline, an interruption. */
async function runMocha(
  { files, jobs, testTimeoutMs, deadlineMs }: Suite,
  { env, totalsFile }: { readonly env: NodeJS.ProcessEnv; readonly totalsFile: string },
): Promise<string | undefined> {
  const parallel = jobs > 1 ? ["--parallel", "--jobs", String(jobs)] : [];
  const forbidOnly = env["CI"] === undefined ? [] : ["--forbid-only"];
  const options = ["--timeout", String(testTimeoutMs), "--reporter", "test/reporter.ts"];
  const reporter = ["--reporter-option", `totals=${totalsFile}`];
  const mocha = join(root, "node_modules/mocha/bin/mocha.js");
  const args = [mocha, ...parallel, ...forbidOnly, ...options, ...reporter];
  // A process group of its own, so that what a test left behind ends with it.
  const child = spawn(process.execPath, [...args, ...files], { cwd: root, env, stdio: "inherit", detached: true });
  const deadline = AbortSignal.any([abort.signal, AbortSignal.timeout(deadlineMs)]);
  const stop = (): void => endGroup(child.pid);
  deadline.addEventListener("abort", stop, { once: true });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  deadline.removeEventListener("abort", stop);
  if (abort.signal.aborted) return "interrupted";
  if (deadline.aborted) return `not finished after ${String(deadlineMs / MINUTE_MS)} minutes`;
  return code === 0 ? undefined : `mocha ended with ${code === null ? "a signal" : `status ${String(code)}`}`;
}

/** First politely, so that tests take down their VMs; then for good. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  signalGroup(pid, "SIGTERM");
  setTimeout(() => signalGroup(pid, "SIGKILL"), 10_000).unref();
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already.
  }
}

function readTotals(path: string): Totals {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Totals;
  } catch {
    return { passed: 0, failed: 0 };
  }
}
