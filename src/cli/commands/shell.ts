import { randomBytes } from "node:crypto";
import {
  dropKeptGuest,
  findKeptGuest,
  keptArches,
  keptItem,
  type KeptGuest,
} from "../../../builders/qemu/kept-guest.ts";
import { noKeptGuest, withKeptGuest, type AwakeGuest } from "../../../builders/qemu/kept-guest-machine.ts";
import { formatAge } from "../../core/age.ts";
import { messageOf } from "../../core/error.ts";
import type { Arch } from "../../core/platform.ts";
import { programsFor } from "../../host/programs.ts";
import { pin } from "../../store/pins.ts";
import type { App } from "../app.ts";
import { ask } from "../ask.ts";
import type { ShellFlags } from "../flags.ts";
import { guestSession, headline, LEAVING } from "../guest-session.ts";
import { hostHypervisor } from "../hypervisor.ts";
import { ensure } from "../need-programs.ts";
import { loadNamed } from "../plans.ts";
import { preferredArch } from "../preferred-arch.ts";
import { withSession, type Session } from "../session.ts";

/** What becomes of the guest after the session. */
type Then = "leave" | "keep" | "discard";

/**
 * `kvci-build shell`: goes into the guest that a failed step left, on a copy of it. On a terminal a person is asked afterwards
 * what to keep; else the commands of standard input are run.
 *
 * @returns 0 after a session on a terminal; else the exit status of the commands.
 * @throws {KvciError} `build-not-found` when no guest is kept
 */
export async function shell(app: App, name: string, flags: ShellFlags): Promise<number> {
  return withSession(app, { command: `shell ${name}`, json: false }, async (session) => {
    const kept = await keptNamed(session, name, flags.arch);
    const { state } = kept;
    await pin(session.store, { runId: session.runId, items: [keptItem(state)], signal: app.signal });
    await ensure(
      session,
      programsFor(state.machine.firmware === "uefi" ? ["build", "firmware"] : ["build"], state.arch),
    );
    const ports = {
      store: session.store,
      hypervisor: hostHypervisor(app.search),
      now: app.now,
      entropy: () => randomBytes(64).toString("hex"),
      journal: session.journal,
      signal: app.signal,
    };
    return withKeptGuest(kept, ports, async (awake) => {
      const { status, then } = await visit(session, kept, { awake, then: flags.then });
      if (then === "keep") await awake.keep();
      if (then === "discard") await dropKeptGuest(session.store, state, { signal: app.signal, keptAt: state.keptAt });
      return status;
    });
  });
}

/** The session or the commands, and what is to be done afterwards. */
async function visit(
  session: Session,
  kept: KeptGuest,
  { awake, then }: { readonly awake: AwakeGuest; readonly then: Then | undefined },
): Promise<{ readonly status: number; readonly then: Then }> {
  const { app } = session;
  if (!app.stdin.isTTY) return { status: await runCommands(app, awake), then: then ?? "leave" };
  return session.withScreen(async () => {
    await talk(app, kept, awake);
    return { status: 0, then: then ?? (await askThen(app)) };
  });
}

async function runCommands({ stdin, stdout, stderr, signal }: App, { guest }: AwakeGuest): Promise<number> {
  const { exitCode } = await guest.exec(["sh"], {
    stdin,
    signal,
    onOutput: (stream, text) => void (stream === "stdout" ? stdout : stderr).write(text),
  });
  return exitCode;
}

async function talk(app: App, { state }: KeptGuest, { guest, access, resumed }: AwakeGuest): Promise<void> {
  const age = formatAge(app.now() - Date.parse(state.keptAt));
  const welcome = [
    `✖ ${headline(state.error)}`,
    `You are in the guest that step "${state.step}" left ${age} ago (${state.template} ${state.arch}), ` +
      (resumed ? "just as it stood." : "booted from its disk."),
    `What you do here gets into no layer. ${LEAVING}`,
  ];
  const output = app.stdout.isTTY ? app.stdout : app.stderr;
  try {
    await guestSession(app, { sshPort: guest.vm.sshPort, access, welcome, output });
  } catch (error) {
    app.signal.throwIfAborted();
    app.stderr.write(`The session ended: ${messageOf(error)}\n`);
  }
}

function askThen(app: App): Promise<Then> {
  const text = "[l]eave what is kept as it was, [k]eep the guest as it is now, [d]iscard it? [l] ";
  return ask(app, { text, answers: { l: "leave", k: "keep", d: "discard" } as const, otherwise: "leave" });
}

/** The kept guest of a template given by name or file; its file need not load any more when it is given by name. */
async function keptNamed({ app, store }: Session, name: string, arch: Arch | undefined): Promise<KeptGuest> {
  const arches = await keptArches(store, name);
  const template = arches.length > 0 ? name : (await loadNamed(app, name)).template.name;
  const known = arches.length > 0 ? arches : await keptArches(store, template);
  const found = await findKeptGuest(store, { template, arch: arch ?? preferredArch(known, process.arch) });
  if (!found) throw noKeptGuest(template);
  return found;
}
