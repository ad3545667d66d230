import { messageOf } from "../core/error.ts";
import type { Arch } from "../core/platform.ts";
import { findProgram, type SearchEnv } from "./find-program.ts";
import { isAtLeast, parseVersion } from "./program-version.ts";
import { hostProgram, installHintFor, PROGRAM_IDS, type Feature, type ProgramId } from "./programs.ts";

/** What `doctor` says about one program of the table. */
export interface DoctorRow {
  readonly program: ProgramId;
  readonly state: "ok" | "missing" | "too-old";
  readonly path?: string;
  readonly version?: string;
  readonly neededFor: readonly Feature[];
  /** What to do, unless the state is ok. */
  readonly fix?: string;
}

/** One thing about the host that a build depends on. */
export interface HostFact {
  readonly name: "architecture" | "cpus" | "memory" | "store" | "node" | "accelerator";
  readonly value: string;
  readonly ok: boolean;
  /** Why, or what follows from it. */
  readonly reason?: string;
}

export interface Diagnosis {
  readonly programs: readonly DoctorRow[];
  readonly host: readonly HostFact[];
}

/** What the host is asked; everything that differs between hosts comes in here. */
export interface DoctorPorts extends SearchEnv {
  /** The host's own, in OCI's words, or as Node calls one that we do not know. */
  readonly arch: string;
  /** Programs for guests of these architectures are looked at. */
  readonly guestArches: readonly Arch[];
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly nodeVersion: string;
  readonly osRelease: string;
  readonly store: { readonly path: string; readonly freeBytes: () => Promise<number> };
  /** Runs a program and gives what it says on both streams. */
  readonly output: (argv: readonly [string, ...string[]]) => Promise<string>;
  /** Tries the accelerator by running a guest with it. */
  readonly probe: () => Promise<{ readonly accelerator: string; readonly reason: string }>;
}

const GIB = 2 ** 30;
/** A packages base, its disk, the overlay of a build and its compressed result: 6 GiB measured for the quickstart. */
const LEAST_FREE_BYTES = 10 * GIB;
/** A guest of 2 GiB, QEMU, and what converts its disk. */
const LEAST_MEMORY_BYTES = 3.5 * GIB;

/** Looks at every program of the table and at the host. Never throws: what cannot be found out is said in its row. */
export async function diagnose(ports: DoctorPorts): Promise<Diagnosis> {
  const wanted = PROGRAM_IDS.filter((id) => {
    const { arch } = hostProgram(id);
    return arch === undefined || ports.guestArches.includes(arch);
  });
  const programs = await Promise.all(wanted.map((id) => diagnoseProgram(id, ports)));
  return { programs, host: [...plainFacts(ports), await storeFact(ports), await acceleratorFact(ports)] };
}

async function diagnoseProgram(id: ProgramId, ports: DoctorPorts): Promise<DoctorRow> {
  const { version: asked, features } = hostProgram(id);
  const path = await findProgram(id, ports);
  const row = { program: id, neededFor: features };
  if (path === undefined) return { ...row, state: "missing", fix: installHintFor([id], ports.osRelease) };
  if (!asked) return { ...row, state: "ok", path };
  // A program that does not even print its version is shown without one; what uses it will say what is wrong.
  const version = parseVersion(await ports.output([path, ...asked.args]).catch(() => ""), asked);
  const found = { ...row, path, ...(version === undefined ? {} : { version }) };
  if (version === undefined || asked.least === undefined || isAtLeast(version, asked.least)) {
    return { ...found, state: "ok" };
  }
  return { ...found, state: "too-old", fix: `Version ${asked.least} or newer is needed.` };
}

function plainFacts({ arch, cpus, memoryBytes, nodeVersion }: DoctorPorts): readonly HostFact[] {
  const enough = memoryBytes >= LEAST_MEMORY_BYTES;
  return [
    { name: "architecture", value: arch, ok: true },
    { name: "cpus", value: String(cpus), ok: true },
    {
      name: "memory",
      value: gib(memoryBytes),
      ok: enough,
      ...(enough ? {} : { reason: "a build's guest has 2 GiB unless its template says otherwise" }),
    },
    { name: "node", value: nodeVersion, ok: true },
  ];
}

async function storeFact({ store }: DoctorPorts): Promise<HostFact> {
  try {
    const freeBytes = await store.freeBytes();
    const ok = freeBytes >= LEAST_FREE_BYTES;
    const value = `${gib(freeBytes)} free in ${store.path}`;
    return ok
      ? { name: "store", value, ok }
      : { name: "store", value, ok, reason: `${gib(LEAST_FREE_BYTES)} are advised; KVCI_BUILD_STORE moves the store` };
  } catch (error) {
    return { name: "store", value: store.path, ok: false, reason: messageOf(error) };
  }
}

async function acceleratorFact({ probe }: DoctorPorts): Promise<HostFact> {
  try {
    const { accelerator, reason } = await probe();
    return { name: "accelerator", value: accelerator, ok: true, reason };
  } catch (error) {
    return { name: "accelerator", value: "unknown", ok: false, reason: messageOf(error) };
  }
}

/** Programs whose absence or age stops a verb; the ones for tests only are not among them. */
export function unfitPrograms({ programs }: Diagnosis): readonly DoctorRow[] {
  return programs.filter((row) => row.state !== "ok" && row.neededFor.some((feature) => feature !== "tests"));
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`;
}
