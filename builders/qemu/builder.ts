import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Builder, BuildRequest, BuiltDisk } from "../../src/core/builder.ts";
import { withDisposal } from "../../src/core/disposal.ts";
import { KvciError } from "../../src/core/error.ts";
import type { Journal } from "../../src/core/journal.ts";
import { assertClean } from "../../src/disk/clean-check.ts";
import { createOverlay } from "../../src/disk/qemu-img.ts";
import { apply, type ApplyContext } from "../../src/machine/apply.ts";
import type { Guest } from "../../src/machine/machine.ts";
import type { Accelerator, Hypervisor } from "../../src/qemu/boot-request.ts";
import { consoleTail } from "../../src/qemu/console-alarm.ts";
import { SshGuest } from "../../src/qemu/ssh-guest.ts";
import { buildIdentity } from "./identity.ts";
import { growRoot } from "./grow-root.ts";
import { installedPackages } from "./packages.ts";

/** First boots run cloud-init and make keys: half a minute with KVM, some two without it on a quiet host. */
const READY_MS: Readonly<Record<Accelerator["name"], number>> = { kvm: 5 * 60_000, tcg: 15 * 60_000 };
const SHUTDOWN_MS = 3 * 60_000;
/** Of the serial console, shown with a step that failed. */
const CONSOLE_LINES = 5;

/** Builds by booting the disk and running the steps in it over SSH. */
export function qemuBuilder({ hypervisor }: { readonly hypervisor: Hypervisor }): Builder {
  return {
    kind: "qemu",
    async build(request, journal) {
      const { plan, base, workDir } = request;
      const virtualBytes = Math.max(plan.disk.virtualBytes, base.disk.virtualBytes);
      const path = join(workDir, "disk.qcow2");
      // The base in the store is never written.
      await createOverlay(
        { path, backing: base.disk.path, backingFormat: base.disk.format, virtualBytes },
        { ...request, journal },
      );
      const built = await buildIn(path, { request, hypervisor }, journal);
      await assertClean({ path, scratch: join(workDir, "region") }, { ...request, journal });
      return { path, virtualBytes, ...built };
    },
  };
}

async function buildIn(
  disk: string,
  { request, hypervisor }: { readonly request: BuildRequest; readonly hypervisor: Hypervisor },
  journal: Journal,
): Promise<Omit<BuiltDisk, "path" | "virtualBytes">> {
  const { plan, base, signal } = request;
  const identity = buildIdentity(base, plan.template);
  const started = performance.now();
  const booted = await journal.span({ name: "boot", kind: "phase" }, async (inner) => {
    const vm = await hypervisor.boot(
      {
        ...plan.machine,
        ...request,
        ...identity.boot,
        arch: plan.disk.platform.arch,
        disk,
        directBoot: base.directBoot,
      },
      inner,
    );
    return bootedGuest({ vm, identity, started, signal }, inner);
  });
  // Powered off even if a step throws.
  return withDisposal(booted, async ({ guest, accelerator }) => {
    await runSteps(guest, request, journal);
    const packages = await installedPackages(guest, plan.disk.platform.family);
    const machineId = await guest.exec(["cat", "/etc/machine-id"], { timeoutMs: 30_000, signal });
    await journal.span({ name: "seal", kind: "phase" }, async (inner) => {
      await apply(guest, plan.disk.seal, contextOf(request, inner));
      await guest.shutdown({ timeoutMs: SHUTDOWN_MS });
    });
    const traces = { publicKey: identity.publicKey, machineId: machineId.stdout.trim() };
    return { packages, accelerator, traces };
  });
}

type Vm = Awaited<ReturnType<Hypervisor["boot"]>>;

async function bootedGuest(
  {
    vm,
    identity,
    started,
    signal,
  }: { vm: Vm; identity: ReturnType<typeof buildIdentity>; started: number; signal: AbortSignal },
  journal: Journal,
): Promise<AsyncDisposable & { readonly guest: Guest; readonly accelerator: Accelerator }> {
  try {
    const guest = await SshGuest.await(vm, {
      ...identity,
      timeoutMs: READY_MS[vm.accelerator.name],
      signal,
    });
    journal.emit({
      type: "guest-ready",
      afterMs: performance.now() - started,
      address: `127.0.0.1:${String(vm.sshPort)}`,
    });
    return { guest, accelerator: vm.accelerator, [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose]() };
  } catch (error) {
    await vm[Symbol.asyncDispose]();
    throw error;
  }
}

async function runSteps(guest: Guest, request: BuildRequest, journal: Journal): Promise<void> {
  const { plan, base } = request;
  if (base.rootPartition !== undefined) await growRoot(guest, base.rootPartition, request.signal);
  for (const step of plan.disk.steps) {
    await journal.span({ name: step.name, kind: "step" }, async (inner) => {
      try {
        await apply(guest, step.ops, contextOf(request, inner));
      } catch (error) {
        throw error instanceof KvciError ? await inStep(step.name, error, request.serialLog) : error;
      }
    });
  }
}

function contextOf(request: BuildRequest, journal: Journal): ApplyContext {
  return { journal, signal: request.signal, sources: request.sources, nonce: randomUUID };
}

/** The error with its step's name and, where it has none yet, the last lines of the console. */
async function inStep(step: string, error: KvciError, serialLog: string): Promise<KvciError> {
  const spoken = error.code === "guest-died" ? [] : await consoleTail(serialLog, CONSOLE_LINES);
  const evidence = [...error.evidence, ...spoken.map((line) => `console: ${line}`)];
  return new KvciError(error.code, `step "${step}": ${error.message}`, { hint: error.hint, evidence, cause: error });
}
