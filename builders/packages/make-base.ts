import { chmod, copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { KvciError } from "../../src/core/error.ts";
import type { Journal } from "../../src/core/journal.ts";
import { runProgram } from "../../src/host/program.ts";
import { aptProgress } from "./apt-progress.ts";
import { parsePackages, type BaseRecord } from "./base-record.ts";
import { directBootArguments } from "./boot-files.ts";
import type { Bootstrapper, BootstrapRequest } from "./bootstrapper.ts";
import { convertDisk, finishDisk, flushAndDigest, readLine, type Run } from "./disk.ts";
import { identifiersOf, rootPartition } from "./disk-layout.ts";
import { prepareExchange } from "./exchange.ts";
import { RECIPE_VERSION } from "./recipe.ts";
import { supervised } from "./supervised.ts";

/** Half an hour on a slow mirror and an emulated architecture is not a hang. */
const BOOTSTRAP_TIMEOUT_MS = 60 * 60_000;
/** The disk tools work on a GiB at most. */
const TOOL_TIMEOUT_MS = 10 * 60_000;
/** Lines of the bootstrapper that an error shows. */
const EVIDENCE_LINES = 20;

export interface MakeBaseRequest extends Omit<BootstrapRequest, "treeFolder"> {
  readonly key: string;
  readonly bootstrapper: Bootstrapper;
  readonly asRoot: boolean;
  /** Added to the environment of what fetches: proxies, certificates. */
  readonly env: Readonly<Record<string, string>>;
  /** An empty folder of this run. */
  readonly workFolder: string;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly now: () => Date;
}

/** Makes the base's folder, ready for the store, inside the work folder. */
export async function makeBase(
  request: MakeBaseRequest,
): Promise<{ readonly folder: string; readonly record: BaseRecord }> {
  const { spec, arch, key, bootstrapper, workFolder } = request;
  const ids = identifiersOf(key);
  const exchange = path.join(workFolder, "exchange");
  const folder = path.join(workFolder, "entry");
  await mkdir(folder);
  const bootstrap = { ...request, treeFolder: await treeFolderOf(request) };
  await prepareExchange(exchange, { ...request, ids, scripts: bootstrapper.scripts(bootstrap) });
  const run = runner(request, exchange);
  const version = (await run(bootstrapper.versionArgv())).trim();
  const log = await runBootstrapper(bootstrap, exchange);
  await writeFile(path.join(folder, `${bootstrapper.program}.log`), log);
  await finishDisk({ spec, arch, ids, exchange, run });
  await convertDisk(run, path.join(folder, "disk.qcow2"));
  for (const name of ["vmlinuz", "initrd"]) {
    await copyFile(path.join(exchange, name), path.join(folder, name));
    await chmod(path.join(folder, name), 0o644);
  }
  const record = await recordOf(request, { exchange, folder, version });
  await writeFile(path.join(folder, "base.json"), `${JSON.stringify(record, undefined, 2)}\n`);
  return { folder, record };
}

/** As root the tree is made beside everything else, and so is gone with the work folder however this ends. */
async function treeFolderOf({ asRoot, workFolder }: MakeBaseRequest): Promise<string | undefined> {
  if (!asRoot) return undefined;
  const folder = path.join(workFolder, "tree");
  await mkdir(folder);
  // The user that apt drops to has to pass.
  for (const each of [workFolder, folder]) await chmod(each, 0o711);
  return folder;
}

function runner({ signal, journal }: MakeBaseRequest, cwd: string): Run {
  return (argv, options = {}) => runProgram(argv, { signal, timeoutMs: TOOL_TIMEOUT_MS, cwd, journal, ...options });
}

/** @returns everything the bootstrapper said. */
async function runBootstrapper(request: MakeBaseRequest & BootstrapRequest, cwd: string): Promise<string> {
  const { bootstrapper, signal, asRoot } = request;
  const said = listener(request);
  try {
    await runProgram(supervised(bootstrapper.argv(request), { asRoot, removeTree: bootstrapper.removeTree }), {
      signal,
      timeoutMs: BOOTSTRAP_TIMEOUT_MS,
      cwd,
      env: { ...request.env, ...bootstrapper.env(request) },
      journal: said.journal,
    });
    return said.text();
  } catch (cause) {
    if (!(cause instanceof KvciError) || cause.code !== "program-failed") throw cause;
    const { distribution, release } = request.spec;
    const evidence = said
      .text()
      .split("\n")
      .filter((line) => line.trim() !== "")
      .slice(-EVIDENCE_LINES);
    throw new KvciError(
      "base-failed",
      `${bootstrapper.program} could not install ${distribution} ${release} for ${request.arch}`,
      {
        hint: bootstrapper.hint(said.text(), request),
        evidence: evidence.length > 0 ? evidence : cause.evidence,
        cause,
      },
    );
  }
}

/**
 * Keeps all that is said, passes on the lines that tell of a phase ("I: …") or of trouble, and adds up what is downloaded;
 * dpkg's thousands of lines stay in the log.
 */
function listener({ journal, spec, arch }: MakeBaseRequest): {
  readonly journal: Journal;
  readonly text: () => string;
} {
  const chunks: string[] = [];
  let rest = "";
  const progress = aptProgress();
  const name = `packages of ${spec.distribution} ${spec.release} ${arch}`;
  const onLine = (line: string): void => {
    if (/^[IWE]: /.test(line)) journal.emit({ type: "output", stream: "stderr", text: `${line}\n` });
    const bytes = progress(line);
    if (bytes) journal.emit({ type: "transfer", name, ...bytes });
  };
  const onText = (text: string): void => {
    chunks.push(text);
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  };
  const filtered: Journal = {
    emit: (event) => {
      if (event.type === "output") onText(event.text);
      else journal.emit(event);
    },
    span: (span, work) => journal.span(span, work),
  };
  return { journal: filtered, text: () => chunks.join("") };
}

async function recordOf(
  { spec, arch, release, bootstrapper, now }: MakeBaseRequest,
  { exchange, folder, version }: { readonly exchange: string; readonly folder: string; readonly version: string },
): Promise<BaseRecord> {
  const disk = path.join(folder, "disk.qcow2");
  // QEMU's s390x machine has no fw_cfg, which is what carries credentials.
  const identity = arch === "s390x" ? "nocloud" : release.identity;
  return {
    formatVersion: 1,
    recipe: RECIPE_VERSION,
    spec: { ...spec, include: [...spec.include] },
    arch,
    digest: await flushAndDigest(disk),
    virtualBytes: (await stat(path.join(exchange, "disk.raw"))).size,
    fileBytes: (await stat(disk)).size,
    rootPartition: rootPartition(arch),
    kernelVersion: await readLine(exchange, "kernel-version"),
    kernelArguments: directBootArguments(identity),
    identity,
    bootstrapper: { program: bootstrapper.program, version },
    madeAt: now().toISOString(),
    packages: parsePackages(await readFile(path.join(exchange, "packages.tsv"), "utf8")),
  };
}
